/** The audit log: who has done or tried what. */

import { useEffect, useId, useState } from 'react';

import type { AuditEvent, AuditFilter } from './api';
import { shownTime, useAttempt, useShared } from './shared';

const FIELDS = ['actor', 'action', 'target'] as const;
const OUTCOMES = ['allowed', 'denied', 'failed'] as const;

export function AuditSearch() {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [filter, setFilter] = useState<AuditFilter>({});
  const [lines, setLines] = useState<AuditEvent[]>([]);
  const [next, setNext] = useState<number | null>(null);

  function find(wanted: AuditFilter, before: number | null): void {
    attempt(async () => {
      const found = await api.audit(wanted, before);
      setLines(before === null ? found.events : [...lines, ...found.events]);
      setNext(found.next ?? null);
    });
  }

  // The newest lines at once; `find` is another function at each render.
  useEffect(() => find({}, null), [api]);

  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.audit}</h1>
      <form
        className="filters"
        onSubmit={event => {
          event.preventDefault();
          find(filter, null);
        }}
      >
        {FIELDS.map(field => (
          <input
            key={field}
            type="search"
            placeholder={strings[field]}
            aria-label={strings[field]}
            value={filter[field] ?? ''}
            onChange={event => setFilter(withField(filter, field, event.target.value))}
          />
        ))}
        <select
          aria-label={strings.outcome}
          value={filter.outcome ?? ''}
          onChange={event => setFilter(withField(filter, 'outcome', event.target.value))}
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
                {[strings.time, strings.actor, strings.action, strings.target, strings.outcome].map(title => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
                <th scope="col">{strings.reason}</th>
                <th scope="col">{strings.origin}</th>
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

function withField(filter: AuditFilter, field: keyof AuditFilter, value: string): AuditFilter {
  const others = { ...filter };
  delete others[field];
  return value === '' ? others : { ...others, [field]: value };
}
