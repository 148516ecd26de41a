/** Full screen, in which the keyboard's own shortcuts (Alt+Tab, Ctrl+W, Escape) reach the session too. */

interface KeyboardLock {
  lock?(): Promise<void>;
  unlock?(): void;
}

export function isFullscreen(): boolean {
  return document.fullscreenElement !== null;
}

export function fullscreenAvailable(): boolean {
  return document.fullscreenEnabled;
}

export async function toggleFullscreen(element: HTMLElement): Promise<void> {
  const keyboard = (navigator as Navigator & { keyboard?: KeyboardLock }).keyboard;
  if (isFullscreen()) {
    keyboard?.unlock?.();
    await document.exitFullscreen();
    return;
  }
  await element.requestFullscreen({ navigationUI: 'hide' });
  try {
    await keyboard?.lock?.();
  } catch {
    // Only Chromium has it, and not in every frame: without it, the browser keeps its shortcuts.
  }
}
