/** What the server says in the page: where the API is, who looks, and the proof that a request comes from this page. */

export interface Page {
  api: string;
  proof: string;
  user: string;
  admin: boolean;
  /** Whose sessions there are pictures of. */
  pictures: 'none' | 'own' | 'all';
  /** Whether a click begins a trace. */
  traces: boolean;
  /** Whether the hub lets the user share their sessions. */
  shares: boolean;
  /** Whether it may be shown what others share with the user. */
  sharedWithYou: boolean;
  hubHome: string;
  signOut: string;
  /** The address of My desktops. */
  home: string;
  view: '' | 'step-up';
  /** Where to go once a second factor was shown: a session's page. */
  to?: string | null;
}

export function readPage(): Page {
  const text = document.getElementById('streamspace-page')?.textContent ?? '';
  return JSON.parse(text) as Page;
}
