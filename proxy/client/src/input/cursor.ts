/** The session's cursor as a CSS cursor, so that it moves with the hand and not with the network. */

import type { CursorMessage } from '../protocol';

/** Larger images are ignored by browsers. */
const MAX_PIXELS = 128;

/** The CSS `cursor` value for `cursor`, drawn at `pixelRatio` framebuffer pixels in a CSS pixel. */
export function cssCursor(cursor: CursorMessage, pixelRatio: number): string {
  if (cursor.png === null) {
    return 'none';
  }
  if (cursor.width / pixelRatio > MAX_PIXELS || cursor.height / pixelRatio > MAX_PIXELS) {
    return 'default';
  }
  const url = `url("data:image/png;base64,${cursor.png}")`;
  const image = pixelRatio === 1 ? url : `image-set(${url} ${pixelRatio}x)`;
  const hot = (value: number) => Math.round(value / pixelRatio);
  return `${image} ${hot(cursor.hot_x)} ${hot(cursor.hot_y)}, default`;
}
