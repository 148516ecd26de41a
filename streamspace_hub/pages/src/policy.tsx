/** What the sessions of an app may do, and who has set each value. */

import { useRef, useState } from 'react';

import type { App, PolicyValue } from './api';
import { useAttempt, useShared } from './shared';
import type { Language, Strings } from './strings';

export function PolicyButton({ app }: { app: App }) {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const dialog = useRef<HTMLDialogElement>(null);
  const [values, setValues] = useState<PolicyValue[]>([]);
  function show(): void {
    attempt(async () => {
      setValues(await api.policy(app.name));
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
        <table>
          <thead>
            <tr>
              <th scope="col">{strings.setting}</th>
              <th scope="col">{strings.value}</th>
              <th scope="col">{strings.from}</th>
            </tr>
          </thead>
          <tbody>
            {values.map(one => (
              <tr key={one.name}>
                <th scope="row">{strings.policyName[one.name] ?? one.name}</th>
                <td>{shownValue(one.value, strings, language)}</td>
                <td data-source={one.source}>{strings.source(one)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            {strings.close}
          </button>
        </div>
      </dialog>
    </>
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
