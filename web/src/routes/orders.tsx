// A customer's orders, live: /orders?group=to_pay or ?status=paid
import { Button } from 'antd';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { useCustomer } from '@/api/credentials';
import { groupNames, groups, isGroup } from '@/features/orders/groups';
import { useLive, useOrderStream } from '@/features/orders/live';
import { OrderRow } from '@/features/orders/order-row';
import { useOrders } from '@/features/orders/queries';
import { askWho } from '@/features/session/sign-in';
import { useText } from '@/i18n';
import { statusWord } from '@/ui/history-words';
import { Pager } from '@/ui/pager';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, LiveLight, PageHead, Waiting } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const user = useCustomer((customer) => customer.user);
  useOrderStream(user);
  const state = useLive((live) => live.state);
  return (
    <main className="page">
      <PageHead title={t('orders.title')} aside={user && <LiveLight state={state} />}>
        {user && t('orders.of', { user })}
      </PageHead>
      {user ? <Orders key={user} user={user} /> : <Empty title={t('user.needed')} next={t('user.needed_next')} action={<Button type="primary" onClick={() => askWho()}>{t('user.sign_in')}</Button>} />}
    </main>
  );
}

function Orders({ user }: { user: string }) {
  const { t } = useText();
  const [params, setParams] = useSearchParams();
  const [trail, setTrail] = useState<string[]>([]);
  const group = params.get('group') ?? '';
  const status = params.get('status') ?? '';
  const statuses: readonly string[] = status ? [status] : isGroup(group) ? groups[group] : [];
  const { orders, next, error, refetch, isPlaceholderData } = useOrders({ user, statuses, token: trail.at(-1) ?? '' });
  const choose = (wanted: { group?: string; status?: string }) => {
    setTrail([]);
    setParams(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value)), { replace: true });
  };
  const finer: readonly string[] = isGroup(group) ? groups[group] : [];
  return (
    <>
      <div className="filters">
        <div className="chips" role="group" aria-label={t('orders.filter')}>
          {['', ...groupNames].map((name) => (
            <button key={name} type="button" className="chip" aria-pressed={group === name} onClick={() => choose({ group: name })}>
              {isGroup(name) ? t(`group.${name}`) : t('common.all')}
            </button>
          ))}
        </div>
        {finer.length > 1 && (
          <div className="chips chips-finer" role="group" aria-label={t('orders.finer')}>
            {finer.map((name) => (
              <button key={name} type="button" className="chip" aria-pressed={status === name} onClick={() => choose({ group, status: status === name ? '' : name })}>
                {statusWord(name, t)}
              </button>
            ))}
          </div>
        )}
      </div>
      {error && <ProblemNote error={error} actions={<Button onClick={() => void refetch()}>{t('common.retry')}</Button>} />}
      {!orders && !error && <Waiting rows={6} />}
      {orders?.length === 0 && (
        <Empty
          title={statuses.length > 0 ? t('orders.none_filtered') : t('orders.none')}
          next={statuses.length > 0 ? undefined : t('orders.none_next')}
          action={statuses.length > 0 ? <Button onClick={() => choose({})}>{t('common.all')}</Button> : <Link className="button-link" to="/products">{t('common.to_shop')}</Link>}
        />
      )}
      {orders && orders.length > 0 && (
        <ol className={isPlaceholderData ? 'order-rows stale' : 'order-rows'}>
          {orders.map((order) => <OrderRow key={order.order_id} order={order} />)}
        </ol>
      )}
      <Pager trail={trail} next={next} onGo={setTrail} />
    </>
  );
}
