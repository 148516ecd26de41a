/** Tells when the computer has another network, or one again. */

interface Connection extends EventTarget {
  /** `wifi`, `ethernet`, `cellular`, `none` ...; absent where the browser keeps it to itself. */
  readonly type?: string;
}

export function onNetworkChange(changed: () => void): void {
  addEventListener('online', changed);
  const { connection } = navigator as Navigator & { connection?: Connection };
  let type = connection?.type;
  // Comes with each new estimate of the speed, too: only another kind of network is another network.
  connection?.addEventListener('change', () => {
    if (connection.type !== type) {
      type = connection.type;
      changed();
    }
  });
}
