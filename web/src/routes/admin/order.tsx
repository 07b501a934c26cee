// Everything about one order, and what an operator may do with it: /admin/orders/:id
import { Button, Input } from 'antd';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import type { Order } from '@/api/client';
import { useAdminOrder, useMessages, useOperate, useOperatorName, useOrderMovements, type OperatorVerb } from '@/features/admin/queries';
import { story } from '@/features/admin/story';
import { StoryList } from '@/features/admin/story-list';
import { useProductName } from '@/api/queries/products';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { paymentWords } from '@/ui/history-words';
import { BackIcon } from '@/ui/icons';
import { Journey } from '@/ui/journey';
import { ProblemNote } from '@/ui/problem-note';
import { Money, PageHead, Panel, Status, Time, Waiting } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const { id = '' } = useParams();
  const { data: order, error } = useAdminOrder(id);
  const messages = useMessages(id);
  const movements = useOrderMovements(id);
  return (
    <main className="page">
      <Link to="/admin/orders" className="back"><BackIcon /> {t('admin.orders')}</Link>
      {error && <ProblemNote error={error} />}
      {!order && !error && <Waiting rows={8} />}
      {order && (
        <article data-status={order.status}>
          <PageHead title={t('orders.order', { id: order.order_id })} aside={<Operate order={order} />}>
            <Status status={order.status} /> {t('aorder.version', { version: order.version })} · <Link to={`/admin/orders?user=${order.user_id}`}>{t('col.user')} {order.user_id}</Link>
          </PageHead>
          <Journey order={order} isLarge />
          <div className="two-columns">
            <Panel title={t('aorder.timeline')}>
              <p className="quiet panel-explain">{t('aorder.timeline_explain')}</p>
              {messages.error && <ProblemNote error={messages.error} />}
              {movements.error && <ProblemNote error={movements.error} />}
              <StoryList entries={story(order.history, messages.data ?? [], movements.data ?? [])} />
            </Panel>
            <Facts order={order} />
          </div>
        </article>
      )}
    </main>
  );
}

const mayFrom: Record<OperatorVerb, string[]> = {
  cancel: ['pending', 'confirmed', 'paid', 'ship_failed', 'shipped'],
  pay: ['confirmed'],
  ship: ['paid', 'ship_failed'],
  deliver: ['shipped'],
  return: ['delivered'],
};

function Operate({ order }: { order: Order }) {
  const { t, language } = useText();
  const operate = useOperate(order.order_id);
  const name = useOperatorName();
  const [asked, setAsked] = useState<OperatorVerb | null>(null);
  const [tracking, setTracking] = useState('');
  const total = money(order.total, language);
  const words: Record<OperatorVerb, { button: string; title: string; explain: string }> = {
    cancel: { button: t('orders.cancel'), title: t('orders.cancel_title'), explain: t('aorder.cancel_explain', { total }) },
    pay: { button: t('orders.pay'), title: t('orders.pay_amount', { total }), explain: t('orders.paying') },
    ship: { button: t('aorder.ship'), title: t('aorder.ship_title'), explain: t('aorder.ship_explain') },
    deliver: { button: t('aorder.deliver'), title: t('aorder.deliver_title'), explain: t('aorder.deliver_explain') },
    return: { button: t('orders.return'), title: t('orders.return_title'), explain: t('orders.return_explain', { total }) },
  };
  const verbs = (['cancel', 'ship', 'deliver', 'return'] as const).filter((verb) => mayFrom[verb].includes(order.status));
  const close = () => {
    operate.reset();
    setAsked(null);
  };
  return (
    <div className="buttons">
      {verbs.map((verb) => <Button key={verb} danger={verb === 'cancel'} onClick={() => setAsked(verb)}>{words[verb].button}</Button>)}
      {asked && (
        <Question
          title={words[asked].title}
          explain={<>{words[asked].explain} {t('admin.recorded', { name })}</>}
          yes={words[asked].button}
          isDangerous={asked === 'cancel'}
          isBusy={operate.isPending}
          isOpen
          onYes={() => operate.mutate({ verb: asked, tracking }, { onSuccess: close })}
          onNo={close}
        >
          {asked === 'ship' && (
            <label className="field">
              <span>{t('aorder.tracking')}</span>
              <Input value={tracking} maxLength={100} onChange={(event) => setTracking(event.target.value)} />
            </label>
          )}
          {operate.error && <ProblemNote error={operate.error} />}
        </Question>
      )}
    </div>
  );
}

function LineOf({ id }: { id: string }) {
  return <Link to={`/admin/stock?product=${id}`}>{useProductName(id)}</Link>;
}

function Facts({ order }: { order: Order }) {
  const { t, language } = useText();
  const amount = (amount_minor: number) => <Money amount={{ amount_minor, currency: order.total.currency }} />;
  return (
    <Panel title={t('aorder.lines')}>
      <ul className="fact-lines">
        {order.items.map((item, index) => (
          <li key={index}><LineOf id={item.product_id} /><span>{item.quantity} × {money(item.unit_price, language)}</span></li>
        ))}
      </ul>
      <p className="summary-total"><span>{t('cart.total')}</span><strong><Money amount={order.total} /></strong></p>
      <dl className="facts">
        <dt>{t('orders.captured')}</dt><dd>{amount(order.payment.captured_minor)}</dd>
        <dt>{t('orders.refunded')}</dt><dd>{amount(order.payment.refunded_minor)}</dd>
        <dt>{t('orders.payment_state')}</dt><dd>{paymentWords(order.payment.state, t) ?? '–'}<br /><span className="mono quiet">{order.payment.attempt_id}</span></dd>
        <dt>{t('orders.tracking')}</dt><dd className="mono">{order.tracking ?? '–'}</dd>
        <dt>{t('col.placed')}</dt><dd><Time at={order.created_at} detail="second" /></dd>
        <dt>{t('orders.address')}</dt><dd className="address">{order.address ?? t('orders.no_address')}</dd>
      </dl>
    </Panel>
  );
}
