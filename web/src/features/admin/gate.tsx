// The door of the console: who you are, said by a token. Printed on the server's machine, kept for this tab.
import { Button } from 'antd';
import { useEffect, useState } from 'react';
import { has, request } from '@/api/client';
import { nameInToken, useOperator } from '@/api/credentials';
import { asProblem, Problem } from '@/api/problem';
import type { Me } from '@/api/shapes';
import { useText } from '@/i18n';
import { ProblemNote } from '@/ui/problem-note';
import { TextArea } from '@/ui/text-area';
import { PageHead, Panel } from '@/ui/small';

const canLogIn = has('POST /v1/auth/login');

export function Gate() {
  const { t } = useText();
  const enter = useOperator((operator) => operator.enter);
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isBusy, setBusy] = useState(false);

  const withToken = async () => {
    const text = token.trim();
    const name = nameInToken(text);
    if (!name) {
      setProblem(new Problem({ code: 'token_invalid', detail: t('admin.token_invalid') }, 401));
      return;
    }
    if (canLogIn) await logIn({ token: text });
    else enter('token', name, text);
  };
  const logIn = async (body: object) => {
    setBusy(true);
    try {
      const me = await request<Me>('POST', '/v1/auth/login', { body });
      if (me.kind === 'operator') enter('cookie', me.name ?? '');
      else setProblem(new Problem({ code: 'forbidden' }, 403));
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  // Whoever has logged in before, in this browser, is let in by the cookie.
  useEffect(() => {
    if (!canLogIn) return;
    request<Me>('GET', '/v1/users/me').then(
      (me) => me.kind === 'operator' && enter('cookie', me.name ?? ''),
      () => undefined,
    );
  }, [enter]);
  return (
    <main className="page page-narrow">
      <PageHead title={t('admin.login_title')} />
      <Panel>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void withToken();
          }}
        >
          <p className="dialog-text gate-text">{t('admin.login_explain')}</p>
          <pre className="command">doos token --operator NAME</pre>
          {problem && <ProblemNote error={problem} />}
          <label className="field">
            <span>{t('admin.token')}</span>
            <TextArea value={token} spellCheck={false} autoComplete="off" className="mono" onChange={(event) => setToken(event.target.value)} />
            <small>{t('admin.token_hint')}</small>
          </label>
          <div className="buttons">
            <Button type="primary" htmlType="submit" loading={isBusy} disabled={token.trim() === ''}>{t('admin.enter')}</Button>
            {canLogIn && <Button loading={isBusy} onClick={() => void logIn({ operator: 'demo' })}>{t('admin.demo')}</Button>}
          </div>
        </form>
      </Panel>
    </main>
  );
}
