/** With whom a session is shared: a dialog to look, to share, and to take back. */

import { useEffect, useId, useRef, useState } from 'react';

import { ApiError, type Session, type Share, type ShareRole } from './api';
import { keyOf } from './sessions';
import { useShared } from './shared';

const ROLES: readonly ShareRole[] = ['viewer', 'controller'];
const KINDS: readonly Share['kind'][] = ['user', 'group'];

export function ShareButton({ session }: { session: Session }) {
  const { page, strings } = useShared();
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState(false);
  const { title } = session;
  return (
    <>
      <button
        type="button"
        aria-label={strings.share(title)}
        onClick={() => {
          setShown(true);
          dialog.current?.showModal();
        }}
      >
        {strings.shareShort}
      </button>
      <dialog ref={dialog} aria-label={strings.share(title)} onClose={() => setShown(false)}>
        <h2>{strings.share(title)}</h2>
        {!page.shares && <p>{strings.noSharing}</p>}
        {page.shares && shown && <Shares session={session} />}
        <div className="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            {strings.close}
          </button>
        </div>
      </dialog>
    </>
  );
}

function Shares({ session }: { session: Session }) {
  const { api, strings } = useShared();
  const [shares, setShares] = useState<Share[] | null>(null);
  // Beside the dialog, the page's own line would be behind it.
  const [refusal, setRefusal] = useState('');
  // The session is another object at each event; what names it is the key.
  useEffect(() => void attempt(() => api.shares(session)), [api, keyOf(session)]);

  /** Returns whether it was done. */
  async function attempt(work: () => Promise<Share[]>): Promise<boolean> {
    setRefusal('');
    try {
      setShares(await work());
      return true;
    } catch (error) {
      setRefusal(error instanceof ApiError && error.message !== '' ? error.message : strings.failed);
      return false;
    }
  }

  return (
    <>
      {shares?.length === 0 && <p className="hint">{strings.sharedWithNobody}</p>}
      {shares && shares.length > 0 && (
        <ul className="shares">
          {shares.map(one => (
            <li key={`${one.kind}:${one.name}`}>
              <span>{one.kind === 'group' ? strings.groupNamed(one.name) : one.name}</span>
              <RoleChoice
                label={strings.roleOf(one.name)}
                role={one.role}
                onChange={role => void attempt(() => api.share(session, { ...one, role }))}
              />
              <button
                type="button"
                aria-label={strings.unshare(one.name)}
                onClick={() => void attempt(() => api.unshare(session, one))}
              >
                {strings.unshareShort}
              </button>
            </li>
          ))}
        </ul>
      )}
      <Add onShare={share => attempt(() => api.share(session, share))} />
      {refusal !== '' && (
        <p className="why" role="alert">
          {refusal}
        </p>
      )}
      <label className="address">
        {strings.shareAddress}
        <input
          type="text"
          readOnly
          value={new URL(session.url, location.href).href}
          onFocus={event => event.target.select()}
        />
      </label>
    </>
  );
}

function Add({ onShare }: { onShare: (share: Share) => Promise<boolean> }) {
  const { strings } = useShared();
  const [kind, setKind] = useState<Share['kind']>('user');
  const [name, setName] = useState('');
  const [role, setRole] = useState<ShareRole>('viewer');
  const hint = useId();
  return (
    <form
      className="filters"
      onSubmit={event => {
        event.preventDefault();
        void onShare({ kind, name: name.trim(), role }).then(done => done && setName(''));
      }}
    >
      <select
        aria-label={strings.shareKind}
        value={kind}
        onChange={event => setKind(event.target.value as Share['kind'])}
      >
        {KINDS.map(one => (
          <option key={one} value={one}>
            {strings.shareKinds[one]}
          </option>
        ))}
      </select>
      <input
        type="text"
        required
        pattern=".*\S.*"
        aria-label={strings.shareName[kind]}
        placeholder={strings.shareName[kind]}
        autoComplete="off"
        value={name}
        onChange={event => setName(event.target.value)}
      />
      <RoleChoice label={strings.shareRole} role={role} onChange={setRole} describedBy={hint} />
      <button type="submit" className="primary">
        {strings.shareShort}
      </button>
      <small id={hint}>{strings.roleHint[role]}</small>
    </form>
  );
}

interface RoleChoiceProps {
  label: string;
  role: ShareRole;
  onChange: (role: ShareRole) => void;
  describedBy?: string;
}

function RoleChoice({ label, role, onChange, describedBy }: RoleChoiceProps) {
  const { strings } = useShared();
  return (
    <select
      aria-label={label}
      aria-describedby={describedBy}
      value={role}
      onChange={event => onChange(event.target.value as ShareRole)}
    >
      {ROLES.map(one => (
        <option key={one} value={one}>
          {strings.role[one]}
        </option>
      ))}
    </select>
  );
}
