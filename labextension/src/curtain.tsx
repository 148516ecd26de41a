/** What a desktop tab shows while there is no picture: how the start goes, or why there is none and what to do. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { Step } from './start';
import type { Session, SessionState } from './tokens';
import { placeLabel, stateSince } from './words';

interface Props {
  readonly icon: LabIcon;
  readonly state: SessionState;
  readonly step: Exclude<Step, { kind: 'picture' }>;
  readonly title: string;
  readonly trans: TranslationBundle;
  /** Start the app, again or for the first time. */
  readonly start: () => void;
  /** Wait no more for room. */
  readonly giveUp: () => void;
}

/** A step from which nothing goes on by itself. */
type End = Extract<Step, { kind: 'asleep' | 'stopped' | 'given-up' | 'failed' }>;

export function Curtain(props: Props): React.ReactElement {
  const { icon } = props;
  return (
    <div className="streamspace-Curtain">
      <LabIcon.resolveReact icon={icon} className="streamspace-Curtain-icon" tag="div" aria-hidden="true" />
      <Words {...props} />
    </div>
  );
}

function Words(props: Props): React.ReactElement {
  const { step } = props;
  switch (step.kind) {
    case 'progress':
      return <Waiting {...props} step={step} />;
    case 'queued':
      return <Queued {...props} step={step} />;
    default:
      return <Over {...props} step={step} />;
  }
}

function Queued({
  giveUp,
  step,
  title,
  trans,
}: Props & { step: Extract<Step, { kind: 'queued' }> }): React.ReactElement {
  const heading = trans.__('%1 waits for room', title);
  return (
    <div className="streamspace-Curtain-over">
      <h2>{heading}</h2>
      <progress max={100} aria-label={heading} />
      <p role="status">{placeLabel(step.queue, trans)}</p>
      <p>{trans.__('It starts by itself when it is its turn; leave this tab open until then.')}</p>
      <button type="button" className="jp-mod-styled" onClick={giveUp}>
        {trans.__('Cancel')}
      </button>
    </div>
  );
}

function Waiting({
  state,
  step,
  title,
  trans,
}: Props & { step: Extract<Step, { kind: 'progress' }> }): React.ReactElement {
  const heading = state === 'resuming' ? trans.__('Waking up %1', title) : trans.__('Starting %1', title);
  // No value: an honest "under way" until the first figure is there.
  const value = step.percent > 0 ? { value: step.percent } : {};
  return (
    <>
      <h2>{heading}</h2>
      <progress max={100} {...value} aria-label={heading} />
      <p role="status">{step.message}</p>
    </>
  );
}

function Over({ step, start, title, trans }: Props & { step: End }): React.ReactElement {
  const [heading, text, button] = words(step, title, trans);
  return (
    <div className="streamspace-Curtain-over" role={step.kind === 'failed' ? 'alert' : 'status'}>
      <h2>{heading}</h2>
      <p>{text}</p>
      {button && (
        <button type="button" className="jp-mod-styled jp-mod-accept" onClick={start}>
          {button}
        </button>
      )}
    </div>
  );
}

/** Heading, text, and what the button says; none while there is nothing to do. */
function words(step: End, title: string, trans: TranslationBundle): [string, string, string | null] {
  switch (step.kind) {
    case 'asleep':
      return asleep(step.session, title, trans);
    case 'stopped':
      return [
        trans.__('%1 was stopped', title),
        trans.__('Your saved files are kept.'),
        trans.__('Start again'),
      ];
    case 'given-up':
      return [
        trans.__('%1 was not started', title),
        trans.__('It waits for room no more.'),
        trans.__('Start again'),
      ];
    case 'failed':
      return [
        trans.__('%1 could not be started', title),
        step.message ||
          trans.__('Try again in a moment. If that does not help, ask whoever looks after this server.'),
        trans.__('Try again'),
      ];
  }
}

function asleep(session: Session, title: string, trans: TranslationBundle): [string, string, string | null] {
  const kept = trans.__('It is kept as you left it, unsaved work included.');
  return session.state === 'hibernating'
    ? [trans.__('%1 goes to sleep', title), kept, null]
    : [
        trans.__('%1 is asleep', title),
        `${stateSince(session, new Date(), trans)}. ${kept}`,
        trans.__('Wake it up'),
      ];
}
