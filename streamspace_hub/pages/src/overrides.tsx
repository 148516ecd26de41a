/** What administrators set for everybody, a group or a user, over what hub, apps and users say. */

import { useId, useState } from 'react';

import { ApiError, type Whose } from './api';
import {
  draftOf,
  emptyDraft,
  IN_DAYS_PATTERN,
  overrideOf,
  PARTS,
  type Draft,
  type Input,
} from './override_form';
import { useAttempt, useLoading, useShared } from './shared';

const KINDS = ['everybody', 'group', 'user'] as const;
const CHANGED = 412;

interface Edited {
  whose: Whose;
  draft: Draft;
  /** Of what was read; the service refuses to change anything else. */
  version: string;
  outcome: 'saved' | 'conflict' | null;
}

export function Overrides() {
  const { api, strings } = useShared();
  const attempt = useAttempt();
  const heading = useId();
  const [kind, setKind] = useState<Whose['kind']>('everybody');
  const [name, setName] = useState('');
  const [known, setKnown] = useState<Whose[]>([]);
  const [edited, setEdited] = useState<Edited | null>(null);
  useLoading(async () => setKnown(await api.overrides()), [api]);

  function edit(whose: Whose): void {
    attempt(async () => {
      const { override, version } = await api.override(whose);
      setEdited({ whose, draft: draftOf(override), version, outcome: null });
    });
  }

  function save(now: Edited): void {
    attempt(async () => {
      try {
        const version = await api.setOverride(now.whose, overrideOf(now.draft), now.version);
        setEdited({ ...now, version, outcome: 'saved' });
      } catch (error) {
        if (!(error instanceof ApiError && error.status === CHANGED)) {
          throw error;
        }
        setEdited({ ...now, outcome: 'conflict' });
      }
      setKnown(await api.overrides());
    });
  }

  return (
    <section aria-labelledby={heading}>
      <h1 id={heading}>{strings.overrides}</h1>
      <p className="hint">{strings.overridesHint}</p>
      <form
        className="filters"
        onSubmit={event => {
          event.preventDefault();
          edit({ kind, name: kind === 'everybody' ? '' : name.trim() });
        }}
      >
        <select
          aria-label={strings.overrideFor}
          value={kind}
          onChange={event => setKind(event.target.value as Whose['kind'])}
        >
          {KINDS.map(one => (
            <option key={one} value={one}>
              {strings.overrideKind[one]}
            </option>
          ))}
        </select>
        {kind !== 'everybody' && (
          <input
            type="search"
            required
            maxLength={255}
            aria-label={strings.overrideName}
            value={name}
            onChange={event => setName(event.target.value)}
          />
        )}
        <button type="submit">{strings.edit}</button>
      </form>
      <div className="chips">
        {known.map(one => (
          <button key={`${one.kind}/${one.name}`} type="button" onClick={() => edit(one)}>
            {strings.overrideOf(one)}
          </button>
        ))}
      </div>
      {edited && (
        <Editor
          edited={edited}
          onDraft={draft => setEdited({ ...edited, draft, outcome: null })}
          onSave={() => save(edited)}
          onAgain={() => edit(edited.whose)}
          onClose={() => setEdited(null)}
        />
      )}
    </section>
  );
}

interface EditorProps {
  edited: Edited;
  onDraft: (draft: Draft) => void;
  onSave: () => void;
  /** Read again what there is now. */
  onAgain: () => void;
  onClose: () => void;
}

function Editor({ edited, onDraft, onSave, onAgain, onClose }: EditorProps) {
  const { strings } = useShared();
  const { draft, outcome } = edited;
  const id = useId();
  // Only groups have something together.
  const parts = (Object.keys(PARTS) as (keyof Draft)[]).filter(
    part => part !== 'together' || edited.whose.kind === 'group',
  );
  return (
    <form
      aria-label={strings.overrideOf(edited.whose)}
      onSubmit={event => {
        event.preventDefault();
        onSave();
      }}
    >
      <h2>{strings.overrideOf(edited.whose)}</h2>
      <div className="parts">
        {parts.map(part => (
          <fieldset key={part}>
            <legend>{strings.overridePart[part]}</legend>
            {Object.entries(PARTS[part]).map(([field, input]) => (
              <div key={field} className="setting">
                <label htmlFor={`${id}-${part}-${field}`}>{strings.settingName[field] ?? field}</label>
                <Value
                  id={`${id}-${part}-${field}`}
                  input={input}
                  text={draft[part][field] ?? ''}
                  onText={text => onDraft({ ...draft, [part]: { ...draft[part], [field]: text } })}
                />
              </div>
            ))}
          </fieldset>
        ))}
      </div>
      {outcome === 'conflict' && (
        <p className="notice" role="alert">
          {strings.overrideConflict}
          <button type="button" onClick={onAgain}>
            {strings.readAgain}
          </button>
        </p>
      )}
      <div className="actions">
        <button type="submit" className="primary">
          {strings.save}
        </button>
        <button type="button" onClick={() => onDraft(emptyDraft())}>
          {strings.clear}
        </button>
        <button type="button" onClick={onClose}>
          {strings.close}
        </button>
        <span role="status">{outcome === 'saved' && strings.overrideSaved}</span>
      </div>
    </form>
  );
}

interface ValueProps {
  id: string;
  input: Input;
  text: string;
  onText: (text: string) => void;
}

function Value({ id, input, text, onText }: ValueProps) {
  const { strings } = useShared();
  if (input === 'yesno' || typeof input === 'object') {
    const names: Record<string, string> = { true: strings.yes, false: strings.no, ...strings.values };
    const accepted = input === 'yesno' ? ['true', 'false'] : input;
    return (
      <select id={id} value={text} onChange={event => onText(event.target.value)}>
        <option value="">{strings.notSet}</option>
        {accepted.map(one => (
          <option key={one} value={one}>
            {names[one] ?? one}
          </option>
        ))}
      </select>
    );
  }
  const hint = {
    list: strings.listHint,
    hours: strings.hoursHint,
    budget: strings.budgetHint,
    text: strings.memoryHint,
    number: '',
  }[input];
  return (
    <input
      id={id}
      type={input === 'number' ? 'number' : 'text'}
      step="any"
      pattern={input === 'hours' || input === 'budget' ? IN_DAYS_PATTERN : undefined}
      placeholder={hint === '' ? strings.notSet : hint}
      title={hint}
      value={text}
      onChange={event => onText(event.target.value)}
    />
  );
}
