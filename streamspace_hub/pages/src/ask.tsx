/** A button that asks before it does what can't be undone. */

import { useRef } from 'react';

import { useShared } from './shared';

interface Props {
  /** What it does, for those who don't see where it stands. */
  label: string;
  text: string;
  question: string;
  disabled?: boolean;
  onYes: () => void;
}

export function Ask({ label, text, question, disabled = false, onYes }: Props) {
  const { strings } = useShared();
  const dialog = useRef<HTMLDialogElement>(null);
  function yes(): void {
    dialog.current?.close();
    onYes();
  }
  return (
    <>
      <button
        type="button"
        aria-label={label}
        disabled={disabled}
        onClick={() => dialog.current?.showModal()}
      >
        {text}
      </button>
      <dialog ref={dialog} aria-label={label}>
        <p>{question}</p>
        <div className="actions">
          <button type="button" className="danger" onClick={yes}>
            {text}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {strings.cancel}
          </button>
        </div>
      </dialog>
    </>
  );
}
