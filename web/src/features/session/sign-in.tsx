// Who is shopping: a name is enough in the demonstration. Also who may be asked for from anywhere.
import { Button, Input } from 'antd';
import { useState } from 'react';
import { create } from 'zustand';
import { useCustomer } from '@/api/credentials';
import { useText } from '@/i18n';
import { Dialog } from '@/ui/dialog';

interface Asking {
  /** What goes on once there is a name; `undefined` while nobody is asked. */
  then: ((user: string) => void) | undefined;
  ask: (then?: (user: string) => void) => void;
  stop: () => void;
}

const useAsking = create<Asking>()((set) => ({
  then: undefined,
  ask: (then = () => undefined) => set({ then }),
  stop: () => set({ then: undefined }),
}));

export const askWho = (then?: (user: string) => void) => useAsking.getState().ask(then);

/** Runs with the customer's name: at once when there is one, else after asking. */
export function withCustomer(then: (user: string) => void) {
  const { user } = useCustomer.getState();
  if (user) then(user);
  else askWho(then);
}

const SUGGESTED = ['user_123', 'mei', 'tomas'];
const isUsable = (name: string) => /^[A-Za-z0-9._-]{1,64}$/.test(name);

export function SignInDialog({ onSignedIn }: { onSignedIn: (user: string) => void }) {
  const { t } = useText();
  const { then, stop } = useAsking();
  const { user: current, known, signIn, signOut } = useCustomer();
  const [typed, setTyped] = useState('');
  const [isWrong, setWrong] = useState(false);
  const enter = (name: string) => {
    const user = name.trim();
    if (!isUsable(user)) {
      setWrong(true);
      return;
    }
    signIn(user);
    onSignedIn(user);
    stop();
    setTyped('');
    setWrong(false);
    then?.(user);
  };
  const offered = [...new Set([...known, ...SUGGESTED])].slice(0, 6);
  return (
    <Dialog title={t('user.title')} isOpen={then !== undefined} onClose={stop}>
      <form
        className="sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          enter(typed);
        }}
      >
        <p className="dialog-text">{t('user.explain')}</p>
        <label className="field">
          <span>{t('user.name')}</span>
          <Input
            autoFocus
            value={typed}
            autoComplete="username"
            spellCheck={false}
            status={isWrong ? 'error' : ''}
            aria-invalid={isWrong}
            onChange={(event) => setTyped(event.target.value)}
          />
          {isWrong && <em className="alarm" role="alert">{t('user.invalid')}</em>}
        </label>
        <p className="field-label">{known.length > 0 ? t('user.recent') : t('user.suggest')}</p>
        <div className="chips">
          {offered.map((name) => (
            <button key={name} type="button" className="chip" onClick={() => enter(name)}>{name}</button>
          ))}
        </div>
        <footer className="dialog-foot">
          {current && (
            <Button
              onClick={() => {
                signOut();
                stop();
              }}
            >
              {t('user.sign_out')}
            </Button>
          )}
          <Button onClick={stop}>{t('common.cancel')}</Button>
          <Button type="primary" htmlType="submit">{t('user.continue')}</Button>
        </footer>
      </form>
    </Dialog>
  );
}
