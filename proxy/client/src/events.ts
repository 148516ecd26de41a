/** A typed event list. Knows nothing about what the events mean. */

export type Listener<T> = (value: T) => void;

export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Call `fn` at each `event`; the returned function ends that. */
  on<K extends keyof Events>(event: K, fn: Listener<Events[K]>): () => void {
    const set = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, set.add(fn));
    return () => set.delete(fn);
  }

  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const fn of [...(this.listeners.get(event) ?? [])]) {
      try {
        (fn as Listener<Events[K]>)(value);
      } catch (error) {
        // A page script's mistake must not end the stream; the browser still reports it.
        reportError(error);
      }
    }
  }
}
