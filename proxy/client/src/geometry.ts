/** Where the framebuffer lies on the page, and which framebuffer pixel is under a point. Pure. */

import type { Size } from './protocol';

export interface Placement {
  /** CSS pixels within the stage. */
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A picture this close to its natural size is shown pixel for pixel: scaling by a hair only blurs. */
const SNAP_PX = 2;

/** Centre `screen` (framebuffer pixels) in `stage` (CSS pixels), as large as fits, proportions kept. */
export function place(stage: Size, screen: Size, pixelRatio: number): Placement {
  if (screen.width <= 0 || screen.height <= 0) {
    return { left: 0, top: 0, ...stage };
  }
  const natural = { width: screen.width / pixelRatio, height: screen.height / pixelRatio };
  const gapX = stage.width - natural.width;
  const gapY = stage.height - natural.height;
  if (Math.abs(gapX) <= SNAP_PX && Math.abs(gapY) <= SNAP_PX) {
    return { left: 0, top: 0, ...natural };
  }
  const scale = Math.min(stage.width / screen.width, stage.height / screen.height);
  const width = screen.width * scale;
  const height = screen.height * scale;
  return {
    left: Math.round((stage.width - width) / 2),
    top: Math.round((stage.height - height) / 2),
    width,
    height,
  };
}

/** The framebuffer pixel under the stage point (`x`, `y`); points outside the picture give its nearest edge. */
export function toScreen(x: number, y: number, placed: Placement, screen: Size): { x: number; y: number } {
  const clamp = (value: number, limit: number) => Math.min(Math.max(Math.floor(value), 0), limit - 1);
  return {
    x: clamp(((x - placed.left) * screen.width) / placed.width, screen.width),
    y: clamp(((y - placed.top) * screen.height) / placed.height, screen.height),
  };
}

/** The framebuffer size to ask for so that `stage` (CSS pixels) shows it pixel for pixel, within `max`. */
export function wantedScreen(stage: Size, pixelRatio: number, max: Size): Size {
  const ratio = Math.min(pixelRatio, 2);
  const bound = (value: number, low: number, high: number) =>
    Math.min(Math.max(Math.floor(value * ratio), low), high);
  return { width: bound(stage.width, 320, max.width), height: bound(stage.height, 200, max.height) };
}
