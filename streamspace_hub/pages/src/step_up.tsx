/** The page of second factors: one is shown before a session that asks for it is opened, and set up. */

import { useId, useState } from 'react';

import type { NewTotp, SecondFactors } from './api';
import { Ask } from './ask';
import { hasKeys, newKey, signedByKey } from './security_key';
import { shownTime, useAttempt, useLoading, useShared } from './shared';

export function StepUp() {
  const { api, page } = useShared();
  const [found, setFound] = useState<SecondFactors | null>(null);
  useLoading(async () => setFound(await api.factors(page.user)), [api]);

  /** What the service has taken lets this sign-in into the session. */
  function onShown(shown: SecondFactors): void {
    if (page.to) {
      location.assign(page.to);
    } else {
      setFound(shown);
    }
  }

  if (!found) {
    return null;
  }
  return (
    <>
      {found.factors.length > 0 && <Show found={found} onShown={onShown} />}
      <Mine found={found} onShown={onShown} onRemoved={() => setFound({ ...found, factors: [] })} />
    </>
  );
}

function Show({ found, onShown }: { found: SecondFactors; onShown: (shown: SecondFactors) => void }) {
  const { api, page, strings } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const has = (kind: 'totp' | 'webauthn') => found.factors.some(one => one.kind === kind);
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.showFactor}</h1>
      <p>{page.to ? strings.showFactorFor : strings.showFactorHint}</p>
      {has('webauthn') && hasKeys && (
        <p>
          <button
            type="button"
            className="primary"
            onClick={() => attempt(async () => onShown(await api.showKey(signedByKey)))}
          >
            {strings.useKey}
          </button>
        </p>
      )}
      {has('totp') && (
        <Code
          label={strings.code}
          button={strings.confirm}
          send={code => api.showCode(code)}
          onShown={onShown}
        />
      )}
    </section>
  );
}

interface CodeProps {
  label: string;
  button: string;
  send: (code: string) => Promise<SecondFactors>;
  onShown: (shown: SecondFactors) => void;
}

function Code({ label, button, send, onShown }: CodeProps) {
  const attempt = useAttempt();
  const [code, setCode] = useState('');
  return (
    <form
      className="filters"
      onSubmit={event => {
        event.preventDefault();
        setCode('');
        attempt(async () => onShown(await send(code)));
      }}
    >
      <input
        required
        inputMode="numeric"
        autoComplete="one-time-code"
        pattern="[0-9]{6}"
        maxLength={6}
        size={8}
        aria-label={label}
        placeholder={label}
        value={code}
        onChange={event => setCode(event.target.value)}
      />
      <button type="submit" className="primary">
        {button}
      </button>
    </form>
  );
}

interface MineProps {
  found: SecondFactors;
  onShown: (shown: SecondFactors) => void;
  onRemoved: () => void;
}

function Mine({ found, onShown, onRemoved }: MineProps) {
  const { api, page, strings, language } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [begun, setBegun] = useState<NewTotp | null>(null);

  function remove(): void {
    attempt(async () => {
      await api.removeFactors(page.user);
      onRemoved();
    });
  }

  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.myFactors}</h1>
      {found.factors.length === 0 && <p>{strings.noFactors}</p>}
      <ul>
        {found.factors.map(one => (
          <li key={one.id}>
            {one.label || strings.factorKind[one.kind]}{' '}
            <small>{strings.since(shownTime(one.created, language))}</small>
          </li>
        ))}
      </ul>
      {begun ? (
        <Totp begun={begun} onShown={onShown} />
      ) : (
        <div className="actions">
          <button
            type="button"
            onClick={() => attempt(async () => setBegun(await api.beginTotp(page.user, '')))}
          >
            {strings.addTotp}
          </button>
          {hasKeys && (
            <button
              type="button"
              onClick={() => attempt(async () => onShown(await api.addKey(page.user, newKey)))}
            >
              {strings.addKey}
            </button>
          )}
          {found.factors.length > 0 && (
            <Ask
              label={strings.removeFactors}
              text={strings.removeFactors}
              question={strings.removeFactorsQuestion}
              onYes={remove}
            />
          )}
        </div>
      )}
    </section>
  );
}

function Totp({ begun, onShown }: { begun: NewTotp; onShown: (shown: SecondFactors) => void }) {
  const { api, page, strings } = useShared();
  return (
    <>
      <p>{strings.scan}</p>
      <p>
        <img className="code" src={begun.qr} alt={strings.qrCode} />
      </p>
      <p>
        {strings.orType} <code>{begun.secret}</code>
      </p>
      <Code
        label={strings.code}
        button={strings.confirm}
        send={code => api.finishTotp(page.user, code)}
        onShown={onShown}
      />
    </>
  );
}
