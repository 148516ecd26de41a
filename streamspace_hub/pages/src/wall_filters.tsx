/** Which sessions the wall shows: by text, app, group and state. */

import type { State } from './api';
import type { Wanted } from './sessions';
import { useShared } from './shared';

interface Props {
  /** Names of apps, and their titles. */
  apps: readonly (readonly [string, string])[];
  groups: readonly string[];
  wanted: Wanted;
  onChange: (wanted: Wanted) => void;
}

export function WallFilters({ apps, groups, wanted, onChange }: Props) {
  const { strings } = useShared();
  const states = Object.keys(strings.state) as State[];
  return (
    <div className="filters">
      <input
        type="search"
        placeholder={strings.search}
        aria-label={strings.search}
        value={wanted.search}
        onChange={event => onChange({ ...wanted, search: event.target.value })}
      />
      <Choice
        label={strings.app}
        all={strings.allApps}
        value={wanted.app}
        values={apps}
        onChange={app => onChange({ ...wanted, app })}
      />
      <Choice
        label={strings.group}
        all={strings.allGroups}
        value={wanted.group}
        values={groups.map(group => [group, group] as const)}
        onChange={group => onChange({ ...wanted, group })}
      />
      <Choice
        label={strings.stateLabel}
        all={strings.allStates}
        value={wanted.state}
        values={states.map(state => [state, strings.state[state]] as const)}
        onChange={state => onChange({ ...wanted, state })}
      />
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  /** What it says where nothing is chosen. */
  all: string;
  value: T | '';
  /** Each value, and what it is called. */
  values: readonly (readonly [T, string])[];
  onChange: (value: T | '') => void;
}

function Choice<T extends string>({ label, all, value, values, onChange }: ChoiceProps<T>) {
  // What is chosen stays on the list when the last such session has gone.
  const listed =
    value === '' || values.some(([one]) => one === value) ? values : [...values, [value, value] as const];
  return (
    <select aria-label={label} value={value} onChange={event => onChange(event.target.value as T | '')}>
      <option value="">{all}</option>
      {listed.map(([one, name]) => (
        <option key={one} value={one}>
          {name}
        </option>
      ))}
    </select>
  );
}
