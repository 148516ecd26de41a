/** Ways out of this page. */

/** To the hub's home page; in a JupyterLab tab, the notebooks around it must stay. */
export function goHome(url: string): void {
  window.open(url, window.parent === window ? '_self' : '_blank');
}

/** This page once more, and the transport is its own choice. */
export function loadUnforced(): void {
  const url = new URL(location.href);
  url.searchParams.delete('transport');
  location.replace(url);
}
