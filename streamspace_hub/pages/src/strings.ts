/** Every text that a user sees, in each language. What the service says (refusals, titles of apps) comes as it says it. */

import type {
  App,
  Override,
  PolicyValue,
  Queued,
  QuotaLimit,
  Session,
  Share,
  ShareRole,
  State,
  StepAhead,
  Whose,
} from './api';

type Category = App['categories'][number];
type Source = Pick<PolicyValue, 'source' | 'group'>;

export interface Strings {
  language: string;
  myDesktops: string;
  admin: string;
  hubHome: string;
  signOut: string;
  languageLabel: string;
  skip: string;
  sessions: string;
  apps: string;
  noSessions: string;
  noApps: string;
  search: string;
  category: string;
  allCategories: string;
  offline: string;
  loading: string;
  open: (title: string) => string;
  openShort: string;
  start: (title: string) => string;
  startShort: string;
  stop: (title: string) => string;
  stopShort: string;
  stopQuestion: (title: string) => string;
  wake: (title: string) => string;
  wakeShort: string;
  freeze: (title: string) => string;
  freezeShort: string;
  freezeHint: string;
  sleep: (title: string) => string;
  sleepShort: string;
  sleepHint: string;
  remove: (title: string) => string;
  removeShort: string;
  removeQuestion: (title: string) => string;
  cancel: string;
  close: string;
  favorite: (title: string) => string;
  policy: (title: string) => string;
  policyTitle: (title: string) => string;
  settingName: Record<string, string>;
  ladder: string;
  never: string;
  upTo: (time: string) => string;
  value: string;
  setting: string;
  from: string;
  yes: string;
  no: string;
  none: string;
  values: Record<string, string>;
  source: (from: Source) => string;
  quota: string;
  quotaKind: (limit: QuotaLimit) => string;
  budgetAlert: (percent: number) => string;
  freeAt: (time: string) => string;
  quotaOf: (limit: QuotaLimit) => string;
  quotaUsed: (used: string, limit: string) => string;
  state: Record<State, string>;
  ahead: Record<StepAhead['step'], (when: string) => string>;
  aheadHint: (step: StepAhead, time: string) => string;
  /** null: it is not known how much. */
  storage: (used: string | null, limit: string) => string;
  waits: (title: string) => string;
  waitsShort: (position: number) => string;
  place: (place: Queued) => string;
  startsByItself: string;
  cancelStart: (title: string) => string;
  share: (title: string) => string;
  shareShort: string;
  noSharing: string;
  sharedWithNobody: string;
  sharedWithYou: string;
  /** With the user, or through groups of theirs. */
  sharedBy: (user: string, groups: readonly string[]) => string;
  openOf: (title: string, user: string) => string;
  groupNamed: (name: string) => string;
  roleOf: (name: string) => string;
  unshare: (name: string) => string;
  unshareShort: string;
  shareKind: string;
  shareKinds: Record<Share['kind'], string>;
  shareName: Record<Share['kind'], string>;
  shareRole: string;
  shareAddress: string;
  role: Record<ShareRole, string>;
  roleHint: Record<ShareRole, string>;
  yourRoleHint: Record<ShareRole, string>;
  since: (time: string) => string;
  lastUsed: (time: string) => string;
  categoryName: Record<Category, string>;
  failed: string;
  dismiss: string;
  user: string;
  stateLabel: string;
  allStates: string;
  selected: (count: number) => string;
  selectAll: string;
  selectOne: (session: Session) => string;
  freezeSelected: string;
  sleepSelected: string;
  wakeSelected: string;
  stopSelected: string;
  stopManyQuestion: (count: number) => string;
  removeSelected: string;
  removeManyQuestion: (count: number) => string;
  extendSelected: string;
  extendFor: string;
  allApps: string;
  allGroups: string;
  wall: string;
  count: (shown: number, all: number) => string;
  usage: string;
  usageBy: string;
  byUser: string;
  byApp: string;
  byGroup: string;
  group: string;
  app: string;
  period: string;
  lastDays: (days: number) => string;
  usageColumns: readonly string[];
  together: string;
  saveCsv: string;
  noUsage: string;
  limits: string;
  limitsOf: string;
  noLimits: string;
  quotaOfUser: (user: string) => string;
  overrides: string;
  overridesHint: string;
  overrideFor: string;
  overrideKind: Record<Whose['kind'], string>;
  overrideName: string;
  overrideOf: (whose: Whose) => string;
  overridePart: Record<keyof Required<Override>, string>;
  overrideConflict: string;
  overrideSaved: string;
  readAgain: string;
  edit: string;
  save: string;
  clear: string;
  notSet: string;
  listHint: string;
  hoursHint: string;
  budgetHint: string;
  memoryHint: string;
  announcement: string;
  announcementHint: string;
  announce: string;
  announced: string;
  maintenance: string;
  maintenanceBegins: string;
  maintenanceTime: (begins: string, ends: string) => string;
  minutes: string;
  audit: string;
  actor: string;
  action: string;
  target: string;
  outcome: string;
  outcomes: Record<'allowed' | 'denied' | 'failed', string>;
  anyOutcome: string;
  time: string;
  origin: string;
  request: string;
  auditSince: string;
  auditUntil: string;
  reason: string;
  find: string;
  more: string;
  noLines: string;
  preview: (title: string) => string;
  myFactors: string;
  showFactor: string;
  showFactorFor: string;
  showFactorHint: string;
  code: string;
  confirm: string;
  noFactors: string;
  factorKind: Record<'totp' | 'webauthn', string>;
  addTotp: string;
  addKey: string;
  useKey: string;
  scan: string;
  qrCode: string;
  orType: string;
  removeFactors: string;
  removeFactorsQuestion: string;
  resetFactors: string;
  resetFactorsOf: string;
  resetFactorsQuestion: (user: string) => string;
}

const en: Strings = {
  language: 'English',
  myDesktops: 'My desktops',
  admin: 'Admin',
  hubHome: 'JupyterHub',
  signOut: 'Sign out',
  languageLabel: 'Language',
  skip: 'Skip to the content',
  sessions: 'Sessions',
  apps: 'Apps',
  noSessions: 'Nothing runs at the moment. Start an app below.',
  noApps: 'No app matches.',
  search: 'Search',
  category: 'Category',
  allCategories: 'All',
  offline: 'Connection lost; what you see may be out of date. Trying again.',
  loading: 'Loading …',
  open: title => `Open ${title}`,
  openShort: 'Open',
  start: title => `Start ${title}`,
  startShort: 'Start',
  stop: title => `Stop ${title}`,
  stopShort: 'Stop',
  stopQuestion: title => `Stop ${title}? Work that is not saved is lost.`,
  wake: title => `Wake ${title}`,
  wakeShort: 'Wake',
  freeze: title => `Freeze ${title}`,
  freezeShort: 'Freeze',
  freezeHint: 'Its programs stand still and keep everything; they go on with the next input.',
  sleep: title => `Put ${title} to sleep`,
  sleepShort: 'Sleep',
  sleepHint: 'Its memory goes to disk, and it uses the machine no more; it wakes as it was.',
  remove: title => `Take ${title} off the list`,
  removeShort: 'Remove',
  removeQuestion: title => `Give up what ${title} keeps asleep? Work that is not saved is lost; files stay.`,
  cancel: 'Cancel',
  close: 'Close',
  favorite: title => `Show ${title} first`,
  policy: title => `What ${title} may do`,
  policyTitle: title => `What sessions of ${title} may do`,
  settingName: {
    clipboard: 'Clipboard',
    clipboard_limit: 'Largest clipboard text (bytes)',
    audio: 'Sound',
    microphone: 'Microphone',
    max_width: 'Widest screen (pixels)',
    max_height: 'Tallest screen (pixels)',
    max_fps: 'Frames a second, at most',
    max_bitrate: 'Video, at most (bit/s)',
    min_bitrate: 'Video, at least (bit/s)',
    max_viewers: 'Viewers at once',
    busy_cpu: 'Counts as busy from (cores)',
    busy_gpu: 'Counts as busy from (engines of a GPU)',
    busy_processes: 'Programs that keep it awake',
    busy_limit: 'Work keeps it awake for, at most (seconds)',
    step_up: 'A second factor counts for (seconds; 0: none is asked for)',
    allow_networks: 'May be opened from',
    deny_networks: 'May not be opened from',
    browser_sandbox: 'Browsers keep their sandbox',
    sessions: 'Sessions at once',
    cpu: 'Cores',
    memory: 'Memory',
    gpus: 'GPUs at once',
    session_hours: 'Hours in days',
    gpu_hours: 'GPU hours in days',
    budget: 'Budget in days',
    storage: 'Files',
    freeze_after: 'Frozen after',
    hibernate_after: 'Put to sleep with memory after',
    stop_after: 'Stopped after',
    delete_after: 'Taken off the list after',
    max_duration: 'Lasts at most',
    quiet_hours: 'Quiet hours',
    quiet_after: 'Quiet hours apply after',
    quiet_step: 'In quiet hours',
  },
  ladder: 'When nobody uses them',
  never: 'never',
  upTo: time => `(up to: ${time})`,
  value: 'Value',
  setting: 'Setting',
  from: 'Set by',
  yes: 'yes',
  no: 'no',
  none: 'none',
  values: {
    both: 'both ways',
    in: 'into the session',
    out: 'out of the session',
    none: 'none',
    freeze: 'freeze',
    hibernate: 'put to sleep with memory',
    stop: 'stop',
  },
  source: ({ source, group }) =>
    ({
      'built-in': 'built-in',
      hub: 'this hub',
      app: 'the app',
      group: `group ${group}`,
      user: 'for the user',
      'own choice': 'own choice',
      admin: 'administrator',
      'admin for group': `administrator, for group ${group}`,
      'admin for user': 'administrator, for the user',
      override: 'this hub, for all',
    })[source],
  quota: 'Your limits',
  quotaKind: ({ kind, days }) =>
    ({
      sessions: 'Sessions',
      cpu: 'Cores',
      memory: 'Memory',
      gpus: 'GPUs at once',
      session_hours: `Hours in ${days} days`,
      gpu_hours: `GPU hours in ${days} days`,
      storage: 'Files',
      budget: `Budget for ${days} days`,
    })[kind],
  budgetAlert: percent =>
    percent < 100 ? `${percent} % of it is used` : 'It is used up: nothing starts or wakes',
  freeAt: time => `Some are free again on ${time}.`,
  quotaOf: ({ source, group, together }) =>
    ({
      hub: 'limit of this hub',
      group: `limit of group ${group}${together ? ', for all its members together' : ''}`,
      user: 'your own limit',
      admin: 'set by an administrator',
      'admin for group': `set by an administrator, for group ${group}${together ? ', for all its members together' : ''}`,
      'admin for user': 'set by an administrator, for the user',
    })[source],
  quotaUsed: (used, limit) => `${used} of ${limit}`,
  state: {
    starting: 'Starting',
    running: 'Running',
    frozen: 'Frozen',
    hibernating: 'Going to sleep',
    sleeping: 'Asleep',
    resuming: 'Waking up',
    stopping: 'Stopping',
    stopped: 'Stopped',
    failed: 'Failed',
  },
  ahead: {
    freeze: when => `Freezes ${when}`,
    hibernate: when => `Sleeps ${when}`,
    stop: when => `Stops ${when}`,
    delete: when => `Off the list ${when}`,
  },
  aheadHint: ({ keepable }, time) =>
    keepable ? `At ${time}, if nobody uses it.` : `At ${time}, in use or not: its longest duration.`,
  storage: (used, limit) => (used === null ? `Files: ${limit} at most` : `Files: ${used} of ${limit}`),
  waits: title => `${title} waits for room.`,
  waitsShort: position => `Waits for room: number ${position}`,
  place: ({ position, wait }) =>
    `It is number ${position} in the queue${typeof wait === 'number' ? `, for about ${minutes(wait)} min as it goes now` : ''}.`,
  startsByItself: 'It starts by itself when it is its turn; keep this page open until then.',
  cancelStart: title => `Do not start ${title}`,
  share: title => `Share ${title}`,
  shareShort: 'Share',
  noSharing: 'Users may not share sessions on this hub. An administrator can allow it.',
  sharedWithNobody: 'It is shared with nobody.',
  sharedWithYou: 'Shared with you',
  sharedBy: (user, groups) => `Shared by ${user}${groups.length > 0 ? ` with ${groups.join(', ')}` : ''}`,
  openOf: (title, user) => `Open ${title} of ${user}`,
  groupNamed: name => `Group ${name}`,
  roleOf: name => `Role of ${name}`,
  unshare: name => `Take back from ${name}`,
  unshareShort: 'Take back',
  shareKind: 'With',
  shareKinds: { user: 'User', group: 'Group' },
  shareName: { user: 'Name of the user', group: 'Name of the group' },
  shareRole: 'As',
  shareAddress: 'Send them this address',
  role: { viewer: 'Viewer', controller: 'Controller' },
  roleHint: {
    viewer: 'Sees and hears what you do.',
    controller: 'Uses mouse, keyboard and clipboard as you do.',
  },
  yourRoleHint: {
    viewer: 'You see and hear it.',
    controller: 'You use mouse, keyboard and clipboard as its owner does.',
  },
  since: time => `since ${time}`,
  lastUsed: time => `last used ${time}`,
  categoryName: {
    Desktop: 'Desktop',
    Graphics: 'Graphics',
    Office: 'Office',
    Internet: 'Internet',
    Science: 'Science',
    Development: 'Development',
    System: 'System',
    Education: 'Education',
    Other: 'Other',
  },
  failed: 'That did not work.',
  dismiss: 'Dismiss',
  user: 'User',
  stateLabel: 'State',
  allStates: 'Any state',
  selected: count => `${count} selected`,
  selectAll: 'Select all that are shown',
  selectOne: session => `Select ${session.title} of ${session.user}`,
  freezeSelected: 'Freeze selected',
  sleepSelected: 'Put selected to sleep',
  wakeSelected: 'Wake selected',
  stopSelected: 'Stop selected',
  removeSelected: 'Remove selected',
  removeManyQuestion: count =>
    `Take ${count === 1 ? 'one session' : `${count} sessions`} off the list? What sleeps is given up; files stay.`,
  extendSelected: 'Keep selected awake',
  extendFor: 'Keep awake for',
  allApps: 'Any app',
  allGroups: 'Any group',
  stopManyQuestion: count =>
    `Stop ${count === 1 ? 'one session' : `${count} sessions`}? Work that is not saved is lost.`,
  wall: 'All sessions',
  count: (shown, all) => (shown === all ? `${all}` : `${shown} of ${all}`),
  usage: 'Usage',
  usageBy: 'Added up by',
  byUser: 'By user',
  byApp: 'By app',
  byGroup: 'By group',
  group: 'Group',
  app: 'App',
  period: 'Period',
  lastDays: days => (days === 1 ? 'Last 24 hours' : `Last ${days} days`),
  usageColumns: ['Sessions', 'Hours', 'Core hours', 'GiB hours', 'GPU hours'],
  together: 'Together',
  saveCsv: 'Save as CSV',
  noUsage: 'Nothing was used.',
  limits: 'Limits and policies',
  limitsOf: 'Limits of user …',
  noLimits: 'There are no limits.',
  quotaOfUser: user => `Limits of ${user}`,
  overrides: 'Overrides',
  overridesHint: 'What is set here wins over hub, app, group and user, and holds from the next start.',
  overrideFor: 'Override for',
  overrideKind: { everybody: 'Everybody', group: 'Group', user: 'User' },
  overrideName: 'Name of the group or user',
  overrideOf: ({ kind, name }) => (kind === 'everybody' ? 'Everybody' : `${kind} ${name}`),
  overridePart: {
    policy: 'What sessions may do',
    quota: 'What a user may take',
    together: 'What all members may take together',
    sleep: 'When nobody uses them (seconds; 0: never)',
  },
  overrideConflict: 'Somebody else has changed this since you read it. Nothing of yours was saved.',
  overrideSaved: 'Saved. It holds from the next start.',
  readAgain: 'Read it again',
  edit: 'Edit',
  save: 'Save',
  clear: 'Clear',
  notSet: 'not set',
  listHint: 'one, another',
  hoursHint: 'e.g. 20 / 7',
  budgetHint: 'e.g. 20 / 30',
  memoryHint: 'e.g. 8G',
  announcement: 'Announcement',
  announcementHint: 'Everybody sees this on top of the page; empty: nothing',
  announce: 'Announce',
  announced: 'Everybody sees it from now on.',
  maintenance: 'Maintenance: nothing starts meanwhile',
  maintenanceBegins: 'Maintenance begins',
  maintenanceTime: (begins, ends) => `No app starts from ${begins} to ${ends}.`,
  minutes: 'minutes',
  audit: 'Audit log',
  actor: 'Who',
  action: 'What',
  target: 'Which',
  outcome: 'Outcome',
  outcomes: { allowed: 'allowed', denied: 'denied', failed: 'failed' },
  anyOutcome: 'Any outcome',
  time: 'When',
  origin: 'From where',
  request: 'Request',
  auditSince: 'From',
  auditUntil: 'Before',
  reason: 'Why',
  find: 'Find',
  more: 'Older lines',
  noLines: 'No line matches.',
  preview: title => `Picture of ${title}`,
  myFactors: 'Second factors',
  showFactor: 'Is it you?',
  showFactorFor: 'The session that you open asks for a second factor.',
  showFactorHint: 'Some sessions, and changes on this page, ask for a second factor.',
  code: 'Six-digit code',
  confirm: 'Confirm',
  noFactors: 'You have none yet. Set one up, and it counts at once.',
  factorKind: { totp: 'Authenticator app', webauthn: 'Security key' },
  addTotp: 'Set up an authenticator app',
  addKey: 'Set up a security key',
  useKey: 'Use a security key',
  scan: 'Scan this with the app, then enter the code that it shows.',
  qrCode: 'QR code for the app',
  orType: 'Or type it in:',
  removeFactors: 'Remove all second factors',
  removeFactorsQuestion: 'Sessions that ask for one stay closed until you set up another.',
  resetFactors: 'Remove second factors',
  resetFactorsOf: 'Remove second factors of user …',
  resetFactorsQuestion: user =>
    `Remove the second factors of ${user}? Whoever signs in as ${user} next can set up others.`,
};

const de: Strings = {
  language: 'Deutsch',
  myDesktops: 'Meine Desktops',
  admin: 'Verwaltung',
  hubHome: 'JupyterHub',
  signOut: 'Abmelden',
  languageLabel: 'Sprache',
  skip: 'Zum Inhalt',
  sessions: 'Sitzungen',
  apps: 'Programme',
  noSessions: 'Zurzeit läuft nichts. Starte unten ein Programm.',
  noApps: 'Kein Programm passt dazu.',
  search: 'Suchen',
  category: 'Kategorie',
  allCategories: 'Alle',
  offline: 'Verbindung verloren; die Anzeige kann veraltet sein. Neuer Versuch läuft.',
  loading: 'Wird geladen …',
  open: title => `${title} öffnen`,
  openShort: 'Öffnen',
  start: title => `${title} starten`,
  startShort: 'Starten',
  stop: title => `${title} beenden`,
  stopShort: 'Beenden',
  stopQuestion: title => `${title} beenden? Nicht gespeicherte Arbeit geht verloren.`,
  wake: title => `${title} wecken`,
  wakeShort: 'Wecken',
  freeze: title => `${title} einfrieren`,
  freezeShort: 'Einfrieren',
  freezeHint: 'Die Programme stehen still und behalten alles; mit der nächsten Eingabe geht es weiter.',
  sleep: title => `${title} schlafen lassen`,
  sleepShort: 'Schlafen',
  sleepHint: 'Der Speicher kommt auf die Platte, und die Maschine ist frei; es wacht auf, wie es war.',
  remove: title => `${title} aus der Liste nehmen`,
  removeShort: 'Entfernen',
  removeQuestion: title =>
    `Aufgeben, was ${title} im Schlaf behält? Nicht gespeicherte Arbeit geht verloren; Dateien bleiben.`,
  cancel: 'Abbrechen',
  close: 'Schließen',
  favorite: title => `${title} zuerst zeigen`,
  policy: title => `Was ${title} darf`,
  policyTitle: title => `Was Sitzungen von ${title} dürfen`,
  settingName: {
    clipboard: 'Zwischenablage',
    clipboard_limit: 'Größter Text der Zwischenablage (Bytes)',
    audio: 'Ton',
    microphone: 'Mikrofon',
    max_width: 'Größte Bildschirmbreite (Pixel)',
    max_height: 'Größte Bildschirmhöhe (Pixel)',
    max_fps: 'Bilder je Sekunde, höchstens',
    max_bitrate: 'Video, höchstens (bit/s)',
    min_bitrate: 'Video, mindestens (bit/s)',
    max_viewers: 'Zuschauer zugleich',
    busy_cpu: 'Gilt als beschäftigt ab (Kerne)',
    busy_gpu: 'Gilt als beschäftigt ab (Einheiten einer GPU)',
    busy_processes: 'Programme, die sie wach halten',
    busy_limit: 'Arbeit hält sie wach, höchstens (Sekunden)',
    step_up: 'Ein zweiter Faktor gilt für (Sekunden; 0: keiner wird verlangt)',
    allow_networks: 'Darf geöffnet werden von',
    deny_networks: 'Darf nicht geöffnet werden von',
    browser_sandbox: 'Browser behalten ihre Sandbox',
    sessions: 'Sitzungen zugleich',
    cpu: 'Kerne',
    memory: 'Speicher',
    gpus: 'GPUs zugleich',
    session_hours: 'Stunden in Tagen',
    gpu_hours: 'GPU-Stunden in Tagen',
    budget: 'Budget in Tagen',
    storage: 'Dateien',
    freeze_after: 'Eingefroren nach',
    hibernate_after: 'Schläft mit Speicher nach',
    stop_after: 'Beendet nach',
    delete_after: 'Aus der Liste nach',
    max_duration: 'Dauert höchstens',
    quiet_hours: 'Ruhezeiten',
    quiet_after: 'Ruhezeiten gelten nach',
    quiet_step: 'In Ruhezeiten',
  },
  ladder: 'Wenn niemand sie benutzt',
  never: 'nie',
  upTo: time => `(bis zu: ${time})`,
  value: 'Wert',
  setting: 'Einstellung',
  from: 'Gesetzt von',
  yes: 'ja',
  no: 'nein',
  none: 'keine',
  values: {
    both: 'in beide Richtungen',
    in: 'in die Sitzung',
    out: 'aus der Sitzung',
    none: 'keine',
    freeze: 'einfrieren',
    hibernate: 'mit Speicher schlafen lassen',
    stop: 'beenden',
  },
  source: ({ source, group }) =>
    ({
      'built-in': 'Voreinstellung',
      hub: 'diesem Hub',
      app: 'dem Programm',
      group: `Gruppe ${group}`,
      user: 'für den Benutzer',
      'own choice': 'eigener Wahl',
      admin: 'der Verwaltung',
      'admin for group': `der Verwaltung, für Gruppe ${group}`,
      'admin for user': 'der Verwaltung, für den Benutzer',
      override: 'diesem Hub, für alle',
    })[source],
  quota: 'Deine Grenzen',
  quotaKind: ({ kind, days }) =>
    ({
      sessions: 'Sitzungen',
      cpu: 'Kerne',
      memory: 'Speicher',
      gpus: 'GPUs zugleich',
      session_hours: `Stunden in ${days} Tagen`,
      gpu_hours: `GPU-Stunden in ${days} Tagen`,
      storage: 'Dateien',
      budget: `Budget für ${days} Tage`,
    })[kind],
  budgetAlert: percent =>
    percent < 100 ? `${percent} % davon sind verbraucht` : 'Es ist verbraucht: nichts startet oder wacht auf',
  freeAt: time => `Wieder etwas frei: ${time}.`,
  quotaOf: ({ source, group, together }) =>
    ({
      hub: 'Grenze dieses Hubs',
      group: `Grenze der Gruppe ${group}${together ? ', für alle Mitglieder zusammen' : ''}`,
      user: 'deine eigene Grenze',
      admin: 'von der Verwaltung gesetzt',
      'admin for group': `von der Verwaltung gesetzt, für Gruppe ${group}${together ? ', für alle Mitglieder zusammen' : ''}`,
      'admin for user': 'von der Verwaltung gesetzt, für den Benutzer',
    })[source],
  quotaUsed: (used, limit) => `${used} von ${limit}`,
  state: {
    starting: 'Startet',
    running: 'Läuft',
    frozen: 'Eingefroren',
    hibernating: 'Schläft ein',
    sleeping: 'Schläft',
    resuming: 'Wacht auf',
    stopping: 'Wird beendet',
    stopped: 'Beendet',
    failed: 'Fehlgeschlagen',
  },
  ahead: {
    freeze: when => `Friert ${when} ein`,
    hibernate: when => `Schläft ${when} ein`,
    stop: when => `Endet ${when}`,
    delete: when => `Verschwindet ${when} aus der Liste`,
  },
  aheadHint: ({ keepable }, time) =>
    keepable ? `Um ${time}, wenn niemand sie benutzt.` : `Um ${time}, benutzt oder nicht: die längste Dauer.`,
  storage: (used, limit) => (used === null ? `Dateien: höchstens ${limit}` : `Dateien: ${used} von ${limit}`),
  waits: title => `${title} wartet auf Platz.`,
  waitsShort: position => `Wartet auf Platz: Nummer ${position}`,
  place: ({ position, wait }) =>
    `Nummer ${position} in der Schlange${typeof wait === 'number' ? `, so wie es jetzt geht etwa ${minutes(wait)} min` : ''}.`,
  startsByItself: 'Es startet von selbst, wenn es an der Reihe ist; lass diese Seite so lange offen.',
  cancelStart: title => `${title} nicht starten`,
  share: title => `${title} teilen`,
  shareShort: 'Teilen',
  noSharing: 'Auf diesem Hub dürfen Benutzer keine Sitzungen teilen. Wer ihn verwaltet, kann es erlauben.',
  sharedWithNobody: 'Sie ist mit niemandem geteilt.',
  sharedWithYou: 'Mit dir geteilt',
  sharedBy: (user, groups) => `Geteilt von ${user}${groups.length > 0 ? ` mit ${groups.join(', ')}` : ''}`,
  openOf: (title, user) => `${title} von ${user} öffnen`,
  groupNamed: name => `Gruppe ${name}`,
  roleOf: name => `Rolle von ${name}`,
  unshare: name => `${name} wieder wegnehmen`,
  unshareShort: 'Wegnehmen',
  shareKind: 'Mit',
  shareKinds: { user: 'Person', group: 'Gruppe' },
  shareName: { user: 'Name der Person', group: 'Name der Gruppe' },
  shareRole: 'Als',
  shareAddress: 'Schick ihnen diese Adresse',
  role: { viewer: 'Schaut zu', controller: 'Steuert mit' },
  roleHint: {
    viewer: 'Sieht und hört, was du machst.',
    controller: 'Benutzt Maus, Tastatur und Zwischenablage wie du.',
  },
  yourRoleHint: {
    viewer: 'Du siehst und hörst sie.',
    controller: 'Du benutzt Maus, Tastatur und Zwischenablage wie die Person, der sie gehört.',
  },
  since: time => `seit ${time}`,
  lastUsed: time => `zuletzt benutzt ${time}`,
  categoryName: {
    Desktop: 'Desktop',
    Graphics: 'Grafik',
    Office: 'Büro',
    Internet: 'Internet',
    Science: 'Wissenschaft',
    Development: 'Entwicklung',
    System: 'System',
    Education: 'Bildung',
    Other: 'Sonstiges',
  },
  failed: 'Das ging nicht.',
  dismiss: 'Verwerfen',
  user: 'Benutzer',
  stateLabel: 'Zustand',
  allStates: 'Jeder Zustand',
  selected: count => `${count} ausgewählt`,
  selectAll: 'Alle gezeigten auswählen',
  selectOne: session => `${session.title} von ${session.user} auswählen`,
  freezeSelected: 'Ausgewählte einfrieren',
  sleepSelected: 'Ausgewählte schlafen lassen',
  wakeSelected: 'Ausgewählte wecken',
  stopSelected: 'Ausgewählte beenden',
  removeSelected: 'Ausgewählte entfernen',
  removeManyQuestion: count =>
    `${count === 1 ? 'Eine Sitzung' : `${count} Sitzungen`} aus der Liste nehmen? Was schläft, wird aufgegeben; Dateien bleiben.`,
  extendSelected: 'Ausgewählte wach halten',
  extendFor: 'Wach halten für',
  allApps: 'Jedes Programm',
  allGroups: 'Jede Gruppe',
  stopManyQuestion: count =>
    `${count === 1 ? 'Eine Sitzung' : `${count} Sitzungen`} beenden? Nicht gespeicherte Arbeit geht verloren.`,
  wall: 'Alle Sitzungen',
  count: (shown, all) => (shown === all ? `${all}` : `${shown} von ${all}`),
  usage: 'Nutzung',
  usageBy: 'Zusammengezählt nach',
  byUser: 'Nach Benutzer',
  byApp: 'Nach Programm',
  byGroup: 'Nach Gruppe',
  group: 'Gruppe',
  app: 'Programm',
  period: 'Zeitraum',
  lastDays: days => (days === 1 ? 'Letzte 24 Stunden' : `Letzte ${days} Tage`),
  usageColumns: ['Sitzungen', 'Stunden', 'Kernstunden', 'GiB-Stunden', 'GPU-Stunden'],
  together: 'Zusammen',
  saveCsv: 'Als CSV speichern',
  noUsage: 'Nichts wurde benutzt.',
  limits: 'Grenzen und Regeln',
  limitsOf: 'Grenzen von Benutzer …',
  noLimits: 'Es gibt keine Grenzen.',
  quotaOfUser: user => `Grenzen von ${user}`,
  overrides: 'Ausnahmen',
  overridesHint: 'Was hier gesetzt ist, gilt vor Hub, Programm, Gruppe und Benutzer, vom nächsten Start an.',
  overrideFor: 'Ausnahme für',
  overrideKind: { everybody: 'Alle', group: 'Gruppe', user: 'Benutzer' },
  overrideName: 'Name der Gruppe oder des Benutzers',
  overrideOf: ({ kind, name }) =>
    ({ everybody: 'Alle', group: `Gruppe ${name}`, user: `Benutzer ${name}` })[kind],
  overridePart: {
    policy: 'Was Sitzungen dürfen',
    quota: 'Was ein Benutzer belegen darf',
    together: 'Was alle Mitglieder zusammen belegen dürfen',
    sleep: 'Wenn niemand sie benutzt (Sekunden; 0: nie)',
  },
  overrideConflict:
    'Jemand anders hat das geändert, seit du es gelesen hast. Von dir wurde nichts gespeichert.',
  overrideSaved: 'Gespeichert. Es gilt vom nächsten Start an.',
  readAgain: 'Neu lesen',
  edit: 'Bearbeiten',
  save: 'Speichern',
  clear: 'Leeren',
  notSet: 'nicht gesetzt',
  listHint: 'eins, noch eins',
  hoursHint: 'z. B. 20 / 7',
  budgetHint: 'z. B. 20 / 30',
  memoryHint: 'z. B. 8G',
  announcement: 'Ankündigung',
  announcementHint: 'Alle sehen dies oben auf der Seite; leer: nichts',
  announce: 'Ankündigen',
  announced: 'Alle sehen es von jetzt an.',
  maintenance: 'Wartung: währenddessen startet nichts',
  maintenanceBegins: 'Beginn der Wartung',
  maintenanceTime: (begins, ends) => `Von ${begins} bis ${ends} startet kein Programm.`,
  minutes: 'Minuten',
  audit: 'Prüfprotokoll',
  actor: 'Wer',
  action: 'Was',
  target: 'Welche',
  outcome: 'Ausgang',
  outcomes: { allowed: 'erlaubt', denied: 'verweigert', failed: 'fehlgeschlagen' },
  anyOutcome: 'Jeder Ausgang',
  time: 'Wann',
  origin: 'Von wo',
  request: 'Anfrage',
  auditSince: 'Ab',
  auditUntil: 'Vor',
  reason: 'Warum',
  find: 'Suchen',
  more: 'Ältere Zeilen',
  noLines: 'Keine Zeile passt dazu.',
  preview: title => `Bild von ${title}`,
  myFactors: 'Zweite Faktoren',
  showFactor: 'Sind Sie es?',
  showFactorFor: 'Die Sitzung, die Sie öffnen, verlangt einen zweiten Faktor.',
  showFactorHint: 'Manche Sitzungen, und Änderungen auf dieser Seite, verlangen einen zweiten Faktor.',
  code: 'Sechsstelliger Code',
  confirm: 'Bestätigen',
  noFactors: 'Sie haben noch keinen. Richten Sie einen ein, und er gilt sofort.',
  factorKind: { totp: 'Authenticator-App', webauthn: 'Sicherheitsschlüssel' },
  addTotp: 'Authenticator-App einrichten',
  addKey: 'Sicherheitsschlüssel einrichten',
  useKey: 'Sicherheitsschlüssel verwenden',
  scan: 'Lesen Sie dies mit der App ein, und geben Sie dann den Code ein, den sie zeigt.',
  qrCode: 'QR-Code für die App',
  orType: 'Oder tippen Sie es ein:',
  removeFactors: 'Alle zweiten Faktoren entfernen',
  removeFactorsQuestion: 'Sitzungen, die einen verlangen, bleiben zu, bis Sie einen anderen einrichten.',
  resetFactors: 'Zweite Faktoren entfernen',
  resetFactorsOf: 'Zweite Faktoren entfernen von …',
  resetFactorsQuestion: user =>
    `Die zweiten Faktoren von ${user} entfernen? Wer sich als ${user} als Nächstes anmeldet, kann andere einrichten.`,
};

function minutes(seconds: number): number {
  return Math.max(1, Math.round(seconds / 60));
}

export const LANGUAGES = { en, de } as const;
export type Language = keyof typeof LANGUAGES;

/** The first of `wanted` (BCP 47, the most wanted first) that there is; else English. */
export function chooseLanguage(wanted: readonly string[]): Language {
  const known = wanted
    .map(one => one.toLowerCase().split('-')[0])
    .find(one => one !== undefined && one in LANGUAGES);
  return (known as Language | undefined) ?? 'en';
}
