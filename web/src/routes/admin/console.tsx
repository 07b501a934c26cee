// The frame of the console: its own way around, and nobody inside without a name.
import { useEffect } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { NavLink, Outlet } from 'react-router';
import { Button } from 'antd';
import { has, request } from '@/api/client';
import { useOperator } from '@/api/credentials';
import { asProblem } from '@/api/problem';
import { Gate } from '@/features/admin/gate';
import { useText } from '@/i18n';
import { useNotices } from '@/ui/notices';
import { problemWords } from '@/ui/problem-note';

const pages = ['orders', 'stock', 'letters', 'products', 'books', 'actions', 'system'] as const;
const paths = { orders: 'orders', stock: 'stock', letters: 'dead-letters', products: 'products', books: 'books', actions: 'actions', system: 'system' } as const;

/** A token that ran out closes the console wherever it is noticed. */
function useExpiry() {
  const { t } = useText();
  const queries = useQueryClient();
  const leave = useOperator((operator) => operator.leave);
  const say = useNotices((state) => state.say);
  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ type, query }) => {
        if (type !== 'updated' || query.queryKey[0] !== 'admin' || !query.state.error) return;
        const problem = asProblem(query.state.error);
        if (problem.status !== 401 || !useOperator.getState().by) return;
        say(problemWords(problem, t).title, 'plain');
        leave();
        queries.removeQueries({ queryKey: ['admin'] });
      }),
    [queries, leave, say, t],
  );
}

export function Component() {
  const { t } = useText();
  const { by, name, leave } = useOperator();
  const queries = useQueryClient();
  useExpiry();
  const goOut = () => {
    if (by === 'cookie' && has('POST /v1/auth/logout')) void request('POST', '/v1/auth/logout');
    leave();
    queries.removeQueries({ queryKey: ['admin'] });
  };
  if (!by) return <Gate />;
  return (
    <div className="console">
      <aside className="console-side">
        <nav aria-label={t('admin.nav')} className="console-nav">
          {pages.map((page) => (
            <NavLink key={page} to={`/admin/${paths[page]}`}>{t(`admin.${page}`)}</NavLink>
          ))}
        </nav>
        <div className="console-who">
          <span>{t('admin.as', { name: name ?? '' })}</span>
          <Button size="small" onClick={goOut}>{t('admin.leave')}</Button>
        </div>
      </aside>
      <Outlet />
    </div>
  );
}
