/**
 * Mouse, pen and wheel on the input surface -> `pointer`, `pointer_relative` and `wheel` messages. Motion goes out
 * once per animation frame, a button at once and never out of order. Touch is in `touch.ts`.
 */

import type { Send } from '../protocol';

export interface Point {
  x: number;
  y: number;
}

export interface PointerOptions {
  send: Send;
  /** Framebuffer pixel under a point of the page. */
  locate: (clientX: number, clientY: number) => Point;
  /** Framebuffer pixels in one CSS pixel. */
  scale: () => number;
  /** Whether the line is so full that motion should be skipped. */
  congested: () => boolean;
  onInput: () => void;
}

const WHEEL_PIXELS = 100;
const WHEEL_LINES = 3;
const WHEEL_MAX_STEPS = 20;
/** Left-overs of one gesture must not add up with the next one's. */
const WHEEL_IDLE_MS = 300;

/** The browser's button mask (1 left, 2 right, 4 middle, 8 back, 16 forward) in the protocol's order. */
export function protocolButtons(buttons: number): number {
  return (buttons & (1 | 8 | 16)) | ((buttons & 2) << 1) | ((buttons & 4) >> 1);
}

/** Turns wheel events into whole steps, keeping what is left over for the next event. */
export class WheelSteps {
  private x = 0;
  private y = 0;
  private last = -Infinity;

  add(event: { deltaX: number; deltaY: number; deltaMode: number; timeStamp: number }): {
    dx: number;
    dy: number;
  } {
    const unit = [WHEEL_PIXELS, WHEEL_LINES, 1][event.deltaMode] ?? WHEEL_PIXELS;
    if (event.timeStamp - this.last > WHEEL_IDLE_MS) {
      this.x = this.y = 0;
    }
    this.last = event.timeStamp;
    this.x = accumulate(this.x, event.deltaX / unit);
    this.y = accumulate(this.y, event.deltaY / unit);
    const dx = wholeSteps(this.x);
    const dy = wholeSteps(this.y);
    this.x -= dx;
    this.y -= dy;
    return { dx, dy };
  }
}

function accumulate(left: number, more: number): number {
  return Math.sign(left) === -Math.sign(more) ? more : left + more;
}

function wholeSteps(value: number): number {
  // "+ 0" turns -0 into 0.
  return Math.min(Math.max(Math.trunc(value), -WHEEL_MAX_STEPS), WHEEL_MAX_STEPS) + 0;
}

export class Pointer {
  private buttons = 0;
  private at: Point = { x: 0, y: 0 };
  private relative = { dx: 0, dy: 0 };
  private frame = 0;
  private moved = false;
  private readonly wheel = new WheelSteps();

  constructor(private readonly options: PointerOptions) {}

  attach(target: HTMLElement): void {
    for (const type of ['pointerdown', 'pointermove', 'pointerup', 'pointercancel'] as const) {
      target.addEventListener(type, event => this.handle(event, target));
    }
    target.addEventListener('wheel', event => this.handleWheel(event), { passive: false });
    for (const type of ['contextmenu', 'auxclick', 'dragstart', 'selectstart', 'drop'] as const) {
      target.addEventListener(type, event => event.preventDefault());
    }
    // Middle click would paste into the surface, and back and forward would leave the page.
    target.addEventListener('mousedown', event => event.preventDefault());
    target.addEventListener('mouseup', event => event.preventDefault());
  }

  /** Forget held buttons: the session was told to lift them. */
  reset(): void {
    this.buttons = 0;
    this.relative = { dx: 0, dy: 0 };
    this.moved = false;
  }

  private handle(event: PointerEvent, target: HTMLElement): void {
    if (event.pointerType === 'touch') {
      return;
    }
    event.preventDefault();
    if (event.type === 'pointerdown') {
      target.focus({ preventScroll: true });
      // Synthetic events (tests, assistive tools) have no active pointer to capture.
      if (event.isTrusted) {
        target.setPointerCapture(event.pointerId);
      }
    }
    const buttons = event.type === 'pointercancel' ? 0 : protocolButtons(event.buttons);
    if (document.pointerLockElement === target) {
      this.relative.dx += event.movementX * this.options.scale();
      this.relative.dy += event.movementY * this.options.scale();
    } else {
      this.at = this.options.locate(event.clientX, event.clientY);
    }
    this.moved = true;
    if (buttons !== this.buttons) {
      this.buttons = buttons;
      this.flush();
      this.options.onInput();
    } else {
      this.frame ||= requestAnimationFrame(() => this.flush());
    }
  }

  private flush(): void {
    const onlyMotion = this.frame !== 0;
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.moved || (onlyMotion && this.options.congested() && this.buttons === 0)) {
      return;
    }
    this.moved = false;
    if (document.pointerLockElement) {
      const dx = Math.trunc(this.relative.dx);
      const dy = Math.trunc(this.relative.dy);
      this.relative.dx -= dx;
      this.relative.dy -= dy;
      this.options.send({ type: 'pointer_relative', dx, dy, buttons: this.buttons });
    } else {
      this.options.send({ type: 'pointer', ...this.at, buttons: this.buttons });
    }
  }

  private handleWheel(event: WheelEvent): void {
    event.preventDefault();
    const { dx, dy } = this.wheel.add(event);
    if (dx !== 0 || dy !== 0) {
      this.flush();
      const at = document.pointerLockElement ? this.at : this.options.locate(event.clientX, event.clientY);
      this.options.send({ type: 'wheel', ...at, dx, dy });
      this.options.onInput();
    }
  }
}
