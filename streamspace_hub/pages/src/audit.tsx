/** The audit log: who has done or tried what. */

import { useEffect, useId, useState } from 'react';

import type { AuditEvent, AuditFilter } from './api';
import { shownTime, useAttempt, useShared } from './shared';

const TEXTS = ['actor', 'action', 'target', 'origin', 'request_id'] as const;
const TIMES = ['since', 'until'] as const;
const OUTCOMES = ['allowed', 'denied', 'failed'] as const;

/** What stands in the form. */
type Fields = Partial<Record<keyof AuditFilter, string>>;

export function AuditSearch() {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [fields, setFields] = useState<Fields>({});
  const [filter, setFilter] = useState<AuditFilter>({});
  const [lines, setLines] = useState<AuditEvent[]>([]);
  const [next, setNext] = useState<number | null>(null);

  function find(wanted: AuditFilter, before: number | null): void {
    attempt(async () => {
      const found = await api.audit(wanted, before);
      setFilter(wanted);
      setLines(before === null ? found.events : [...lines, ...found.events]);
      setNext(found.next ?? null);
    });
  }

  // The newest lines at once; `find` is another function at each render.
  useEffect(() => find({}, null), [api]);

  const words = {
    ...strings,
    request_id: strings.request,
    since: strings.auditSince,
    until: strings.auditUntil,
  };
  const columns = ['time', 'actor', 'action', 'target', 'outcome', 'reason', 'origin', 'request_id'] as const;
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.audit}</h1>
      <form
        className="filters"
        onSubmit={event => {
          event.preventDefault();
          find(asked(fields), null);
        }}
      >
        {TEXTS.map(field => (
          <input
            key={field}
            type="search"
            placeholder={words[field]}
            aria-label={words[field]}
            value={fields[field] ?? ''}
            onChange={event => setFields({ ...fields, [field]: event.target.value })}
          />
        ))}
        {TIMES.map(field => (
          <label key={field}>
            {words[field]}{' '}
            <input
              type="datetime-local"
              value={fields[field] ?? ''}
              onChange={event => setFields({ ...fields, [field]: event.target.value })}
            />
          </label>
        ))}
        <select
          aria-label={strings.outcome}
          value={fields.outcome ?? ''}
          onChange={event => setFields({ ...fields, outcome: event.target.value })}
        >
          <option value="">{strings.anyOutcome}</option>
          {OUTCOMES.map(one => (
            <option key={one} value={one}>
              {strings.outcomes[one]}
            </option>
          ))}
        </select>
        <button type="submit">{strings.find}</button>
      </form>
      {lines.length === 0 ? (
        <p className="hint">{strings.noLines}</p>
      ) : (
        <div className="scroll">
          <table>
            <thead>
              <tr>
                {columns.map(column => (
                  <th key={column} scope="col">
                    {words[column]}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {lines.map(line => (
                <tr key={line.seq} data-outcome={line.outcome}>
                  <td>{shownTime(line.time, language)}</td>
                  <td>{line.actor}</td>
                  <td>{line.action}</td>
                  <td>{line.target}</td>
                  <td>{strings.outcomes[line.outcome]}</td>
                  <td>{line.reason}</td>
                  <td>{line.origin}</td>
                  <td>{line.request_id}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {next !== null && (
        <button type="button" onClick={() => find(filter, next)}>
          {strings.more}
        </button>
      )}
    </section>
  );
}

/** What is asked for, given what the fields hold: times in them are the user's own, to the minute. */
function asked(fields: Fields): AuditFilter {
  const filled = Object.entries(fields).filter(([, value]) => value !== '');
  return Object.fromEntries(
    filled.map(([field, value]) => [
      field,
      field === 'since' || field === 'until' ? new Date(value).toISOString() : value,
    ]),
  );
}
