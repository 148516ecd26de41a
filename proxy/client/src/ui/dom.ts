/** Makes elements. Texts are set as text, never as HTML; styles live in the style sheet. */

type Child = Node | string | null;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

const ICON_PATHS = {
  clipboard: 'M9 4h6v3H9zM9 5H6v15h12V5h-3',
  fullscreen: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  keyboard: 'M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8',
  pointer: 'M6 3l12 9-5.5 1L9 19z',
  microphone: 'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11a6 6 0 0 0 12 0M12 17v4',
  quality: 'M4 7h9M17 7h3M4 17h3M11 17h9M13 5v4M7 15v4',
  statistics: 'M4 20h16M7 16v-5M12 16V6M17 16v-8',
  sound: 'M4 10v4h3l5 4V6L7 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11',
  muted: 'M4 10v4h3l5 4V6L7 10zM16 10l4 4M20 10l-4 4',
  viewers:
    'M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c0-3 2.5-5 6-5s6 2 6 5M16 5.5a3 3 0 0 1 0 5M17.5 14.5c2 .6 3.5 2.2 3.5 4.5',
  stop: 'M12 3v8M6.5 6.5a8 8 0 1 0 11 0',
  close: 'M6 6l12 12M18 6L6 18',
} as const;

export type IconName = keyof typeof ICON_PATHS;

export function icon(name: IconName): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('ss-icon');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', ICON_PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name: IconName, label: string, onClick: () => void): HTMLButtonElement {
  const button = el(
    'button',
    { type: 'button', class: 'ss-button', title: label, 'aria-label': label },
    icon(name),
  );
  button.addEventListener('click', onClick);
  return button;
}

export function relabel(button: HTMLButtonElement, name: IconName, label: string): void {
  button.title = label;
  button.setAttribute('aria-label', label);
  button.replaceChildren(icon(name));
}
