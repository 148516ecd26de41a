/**
 * Fingers on the input surface: tap = click, long press = right click, one finger drags with the left button, two
 * fingers scroll. `TouchGestures` is told events and times, so that it runs without a screen.
 */

import type { Send } from '../protocol';
import type { Point } from './pointer';

export interface TouchOptions {
  send: Send;
  locate: (clientX: number, clientY: number) => Point;
  onInput: () => void;
}

const LEFT = 1;
const RIGHT = 4;
const DRAG_PIXELS = 10;
const LONG_PRESS_MS = 500;
const SCROLL_PIXELS = 30;

type Phase = 'idle' | 'pressed' | 'dragging' | 'scrolling' | 'spent';

export class TouchGestures {
  private readonly fingers = new Map<number, Point>();
  private phase: Phase = 'idle';
  private origin: Point = { x: 0, y: 0 };
  private scrolled: Point = { x: 0, y: 0 };
  private longPress: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: TouchOptions) {}

  attach(target: HTMLElement): void {
    const on = (
      type: 'pointerdown' | 'pointermove' | 'pointerup' | 'pointercancel',
      fn: (e: PointerEvent) => void,
    ) =>
      target.addEventListener(type, event => {
        if (event.pointerType === 'touch') {
          event.preventDefault();
          fn(event);
        }
      });
    on('pointerdown', event => {
      target.focus({ preventScroll: true });
      this.down(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    on('pointermove', event => this.move(event.pointerId, { x: event.clientX, y: event.clientY }));
    on('pointerup', event => this.up(event.pointerId));
    on('pointercancel', event => this.up(event.pointerId, true));
  }

  down(id: number, at: Point): void {
    this.fingers.set(id, at);
    if (this.fingers.size === 1) {
      this.phase = 'pressed';
      this.origin = at;
      this.longPress = setTimeout(() => this.pressedLong(), LONG_PRESS_MS);
    } else if (this.phase === 'pressed') {
      clearTimeout(this.longPress);
      this.phase = 'scrolling';
      this.scrolled = { x: 0, y: 0 };
    }
  }

  move(id: number, at: Point): void {
    const before = this.fingers.get(id);
    if (!before) {
      return;
    }
    this.fingers.set(id, at);
    if (this.phase === 'pressed' && Math.hypot(at.x - this.origin.x, at.y - this.origin.y) > DRAG_PIXELS) {
      clearTimeout(this.longPress);
      this.phase = 'dragging';
      this.pointer(this.origin, LEFT);
    }
    if (this.phase === 'dragging') {
      this.pointer(at, LEFT);
    } else if (this.phase === 'scrolling') {
      this.scroll(before, at);
    }
  }

  up(id: number, cancelled = false): void {
    const at = this.fingers.get(id);
    if (!at || !this.fingers.delete(id)) {
      return;
    }
    clearTimeout(this.longPress);
    if (this.phase === 'dragging') {
      this.pointer(at, 0);
      this.phase = 'spent';
    } else if (this.phase === 'pressed' && !cancelled) {
      this.click(this.origin, LEFT);
    }
    if (this.fingers.size === 0) {
      this.phase = 'idle';
    }
  }

  private pressedLong(): void {
    this.phase = 'spent';
    this.click(this.origin, RIGHT);
  }

  /** The content follows the fingers: moving them up turns the wheel down. */
  private scroll(before: Point, at: Point): void {
    const share = this.fingers.size;
    this.scrolled.x += (before.x - at.x) / share;
    this.scrolled.y += (before.y - at.y) / share;
    const dx = Math.trunc(this.scrolled.x / SCROLL_PIXELS) + 0;
    const dy = Math.trunc(this.scrolled.y / SCROLL_PIXELS) + 0;
    if (dx !== 0 || dy !== 0) {
      this.scrolled.x -= dx * SCROLL_PIXELS;
      this.scrolled.y -= dy * SCROLL_PIXELS;
      const clamp = (steps: number) => Math.min(Math.max(steps, -20), 20);
      this.options.send({
        type: 'wheel',
        ...this.options.locate(this.origin.x, this.origin.y),
        dx: clamp(dx),
        dy: clamp(dy),
      });
      this.options.onInput();
    }
  }

  private click(at: Point, button: number): void {
    this.pointer(at, 0);
    this.pointer(at, button);
    this.pointer(at, 0);
  }

  private pointer(at: Point, buttons: number): void {
    this.options.send({ type: 'pointer', ...this.options.locate(at.x, at.y), buttons });
    this.options.onInput();
  }
}
