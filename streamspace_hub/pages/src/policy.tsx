/** What the sessions of an app may do, after how long they sleep, and who has set each value. */

import { useRef, useState, type ReactNode } from 'react';

import type { App, PolicyValue, ResolvedPolicy, SleepValue } from './api';
import { shownSpan, useAttempt, useShared } from './shared';
import type { Language, Strings } from './strings';

/** `user`: whose sessions; one's own without. */
export function PolicyButton({ app, user }: { app: App; user?: string }) {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const dialog = useRef<HTMLDialogElement>(null);
  const [found, setFound] = useState<ResolvedPolicy | null>(null);
  function show(): void {
    attempt(async () => {
      setFound(await api.policy(app.name, user));
      dialog.current?.showModal();
    });
  }
  return (
    <>
      <button
        type="button"
        className="plain info"
        aria-label={strings.policy(app.title)}
        title={strings.policy(app.title)}
        onClick={show}
      >
        i
      </button>
      <dialog ref={dialog} aria-label={strings.policyTitle(app.title)}>
        <h2>{strings.policyTitle(app.title)}</h2>
        <Values of={found?.values ?? []} shown={one => shownValue(one.value, strings, language)} />
        <h2>{strings.ladder}</h2>
        <Values of={found?.sleep ?? []} shown={one => shownTime(one, strings, language)} />
        <div className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            {strings.close}
          </button>
        </div>
      </dialog>
    </>
  );
}

function Values<V extends PolicyValue | SleepValue>({
  of,
  shown,
}: {
  of: readonly V[];
  shown: (one: V) => ReactNode;
}) {
  const { strings } = useShared();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{strings.setting}</th>
          <th scope="col">{strings.value}</th>
          <th scope="col">{strings.from}</th>
        </tr>
      </thead>
      <tbody>
        {of.map(one => (
          <tr key={one.name}>
            <th scope="row">{strings.settingName[one.name] ?? one.name}</th>
            <td>{shown(one)}</td>
            <td data-source={one.source}>{strings.source(one)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function shownValue(value: PolicyValue['value'], strings: Strings, language: Language): string {
  if (typeof value === 'boolean') {
    return value ? strings.yes : strings.no;
  }
  if (Array.isArray(value)) {
    return value.length ? value.join(', ') : strings.none;
  }
  return typeof value === 'number' ? value.toLocaleString(language) : (strings.values[value] ?? value);
}

function shownTime({ value, longest }: SleepValue, strings: Strings, language: Language): ReactNode {
  if (typeof value !== 'number') {
    return shownValue(value, strings, language);
  }
  const time = (seconds: number) => (seconds === 0 ? strings.never : shownSpan(seconds, language));
  return (
    <>
      {time(value)}
      {longest !== null && longest !== value && <small> {strings.upTo(time(longest))}</small>}
    </>
  );
}
