/** The pages: header, one of the views (by the address and its hash), and the line that says what went wrong. */

import { StrictMode, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { Admin } from './admin';
import { Announced } from './announcement';
import { makeApi } from './api';
import { Desktops } from './desktops';
import { readPage, type Page } from './page';
import { StepUp } from './step_up';
import { SharedContext, storedLanguage, storeLanguage, useShared } from './shared';
import { chooseLanguage, LANGUAGES, type Language } from './strings';

const ADMIN = '#admin';

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return hash;
}

function Pages({ page }: { page: Page }) {
  const [language, setLanguage] = useState<Language>(
    () => storedLanguage() ?? chooseLanguage(navigator.languages),
  );
  const [sentence, say] = useState<string | null>(null);
  const hash = useHash();
  const stepsUp = page.view === 'step-up';
  const showsAdmin = page.admin && hash === ADMIN && !stepsUp;
  const strings = LANGUAGES[language];
  const api = useMemo(() => makeApi(page, () => location.reload()), [page]);
  const shared = useMemo(() => ({ page, api, language, strings, say }), [page, api, language, strings]);
  useEffect(() => {
    document.documentElement.lang = language;
    document.title = stepsUp ? strings.myFactors : showsAdmin ? strings.admin : strings.myDesktops;
  }, [language, showsAdmin, stepsUp, strings]);
  useEffect(() => say(null), [hash]);

  function choose(chosen: Language): void {
    storeLanguage(chosen);
    setLanguage(chosen);
  }

  return (
    <SharedContext value={shared}>
      <a className="skip" href="#content" onClick={toContent}>
        {strings.skip}
      </a>
      <Header showsAdmin={showsAdmin} onLanguage={choose} />
      {sentence !== null && (
        <p className="notice" role="alert">
          {sentence}
          <button type="button" className="plain" onClick={() => say(null)}>
            {strings.dismiss}
          </button>
        </p>
      )}
      <Announced at={hash} />
      <main id="content" tabIndex={-1}>
        {stepsUp ? <StepUp /> : showsAdmin ? <Admin /> : <Desktops />}
      </main>
    </SharedContext>
  );
}

function Header({ showsAdmin, onLanguage }: { showsAdmin: boolean; onLanguage: (chosen: Language) => void }) {
  const { page, strings, language } = useShared();
  const stepsUp = page.view === 'step-up';
  return (
    <header>
      <nav>
        <a href={stepsUp ? page.home : '#'} aria-current={showsAdmin || stepsUp ? undefined : 'page'}>
          {strings.myDesktops}
        </a>
        {page.admin && (
          <a href={stepsUp ? page.home + ADMIN : ADMIN} aria-current={showsAdmin ? 'page' : undefined}>
            {strings.admin}
          </a>
        )}
        <a href={`${page.home}step-up`} aria-current={stepsUp ? 'page' : undefined}>
          {strings.myFactors}
        </a>
      </nav>
      <div className="aside">
        <select
          aria-label={strings.languageLabel}
          value={language}
          onChange={event => onLanguage(event.target.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([name, { language: title }]) => (
            <option key={name} value={name} lang={name}>
              {title}
            </option>
          ))}
        </select>
        <a href={page.hubHome}>{strings.hubHome}</a>
        <a href={page.signOut}>{strings.signOut}</a>
        <span className="who">{page.user}</span>
      </div>
    </header>
  );
}

// The hash names the view, so the link moves the focus itself.
function toContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Pages page={readPage()} />
    </StrictMode>,
  );
}
