/** What was used, by whom or by which app, and what that costs. */

import { useId, useState } from 'react';

import type { UsageReport } from './api';
import { useAttempt, useLoading, useShared } from './shared';

const DAYS = [1, 7, 30, 365] as const;
const HOUR = 3600;

export function Usage() {
  const { api, strings, language } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [by, setBy] = useState<UsageReport['by']>('user');
  const [days, setDays] = useState<number>(30);
  const [report, setReport] = useState<UsageReport | null>(null);
  useLoading(async () => setReport(await api.usage(by, since(days))), [api, by, days]);

  function save(): void {
    attempt(async () => {
      const address = URL.createObjectURL(await api.usageCsv(since(days)));
      const link = Object.assign(document.createElement('a'), { href: address, download: 'usage.csv' });
      link.click();
      URL.revokeObjectURL(address);
    });
  }

  const hours = (seconds: number) =>
    (seconds / HOUR).toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const rows = report ? [...report.totals, { ...report.total, key: strings.together }] : [];
  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.usage}</h1>
      <div className="filters">
        <select
          aria-label={strings.usageBy}
          value={by}
          onChange={event => setBy(event.target.value as UsageReport['by'])}
        >
          <option value="user">{strings.byUser}</option>
          <option value="app">{strings.byApp}</option>
          <option value="group">{strings.byGroup}</option>
        </select>
        <select
          aria-label={strings.period}
          value={days}
          onChange={event => setDays(Number(event.target.value))}
        >
          {DAYS.map(one => (
            <option key={one} value={one}>
              {strings.lastDays(one)}
            </option>
          ))}
        </select>
        <button type="button" onClick={save}>
          {strings.saveCsv}
        </button>
      </div>
      {report?.totals.length === 0 ? (
        <p className="hint">{strings.noUsage}</p>
      ) : (
        <div className="scroll">
          <table className="numbers">
            <thead>
              <tr>
                <th scope="col">{{ user: strings.user, app: strings.app, group: strings.group }[by]}</th>
                {strings.usageColumns.map(title => (
                  <th key={title} scope="col">
                    {title}
                  </th>
                ))}
                {report?.currency && <th scope="col">{report.currency}</th>}
              </tr>
            </thead>
            <tbody>
              {rows.map((one, number) => (
                <tr key={number} data-total={number === rows.length - 1}>
                  <th scope="row">{one.key}</th>
                  <td>{one.sessions.toLocaleString(language)}</td>
                  <td>{hours(one.seconds)}</td>
                  <td>{hours(one.core_seconds)}</td>
                  <td>{hours(one.gib_seconds)}</td>
                  <td>{hours(one.gpu_seconds)}</td>
                  {report?.currency && (
                    <td>
                      {one.cost.toLocaleString(language, { style: 'currency', currency: report.currency })}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function since(days: number): string {
  return new Date(Date.now() - days * 24 * HOUR * 1000).toISOString();
}
