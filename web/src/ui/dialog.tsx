// A question or a small form in front of the page: the browser's own modal dialog, which keeps the focus inside, closes
// with Escape and gives the focus back. What must never happen: a dangerous button focused when the dialog opens.
import { Button } from 'antd';
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { useText } from '@/i18n';
import { CloseIcon } from './icons';

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  isWide?: boolean;
}

export function Dialog({ title, isOpen, onClose, children, isWide = false }: DialogProps) {
  const { t } = useText();
  const heading = useId();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (isOpen && !dialog.open) dialog.showModal();
    if (!isOpen && dialog.open) dialog.close();
  }, [isOpen]);
  return (
    <dialog
      ref={element}
      className={isWide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={heading}
      // Closed by its page it says so too; only who closes it by hand is answered with no.
      onClose={() => isOpen && onClose()}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      {isOpen && (
        <div className="dialog-body">
          <header className="dialog-head">
            <h2 id={heading}>{title}</h2>
            <button type="button" className="quiet-button" aria-label={t('common.close')} onClick={onClose}>
              <CloseIcon />
            </button>
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
}

interface QuestionProps {
  title: string;
  explain: ReactNode;
  yes: string;
  no?: string;
  isDangerous?: boolean;
  isBusy?: boolean;
  isOpen: boolean;
  onYes: () => void;
  onNo: () => void;
  children?: ReactNode;
}

/** Says what will happen before it does. */
export function Question({ title, explain, yes, no, isDangerous, isBusy, isOpen, onYes, onNo, children }: QuestionProps) {
  const { t } = useText();
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onNo}>
      <p className="dialog-text">{explain}</p>
      {children}
      <footer className="dialog-foot">
        <Button onClick={onNo}>{no ?? t('common.cancel')}</Button>
        <Button type="primary" danger={isDangerous} loading={isBusy} onClick={onYes}>
          {yes}
        </Button>
      </footer>
    </Dialog>
  );
}
