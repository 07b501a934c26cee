// One order of the customer, live: /orders/:id
import { Button } from 'antd';
import { Link, useParams } from 'react-router';
import type { Order } from '@/api/client';
import { useCustomer } from '@/api/credentials';
import { asProblem } from '@/api/problem';
import { OrderActions } from '@/features/orders/actions';
import { useLive, useOrderStream } from '@/features/orders/live';
import { LineName, LinePicture } from '@/features/orders/order-row';
import { useOrder } from '@/features/orders/queries';
import { Timeline } from '@/features/orders/timeline';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { Copyable } from '@/ui/copyable';
import { paymentWords } from '@/ui/history-words';
import { BackIcon } from '@/ui/icons';
import { Journey } from '@/ui/journey';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, LiveLight, Money, PageHead, Panel, Status, Time, Waiting } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const { id = '' } = useParams();
  useOrderStream(useCustomer((customer) => customer.user));
  const state = useLive((live) => live.state);
  const { order, error, refetch } = useOrder(id);
  const isAbsent = error && asProblem(error).code === 'not_found';
  return (
    <main className="page page-order">
      <Link to="/orders" className="back"><BackIcon /> {t('orders.back')}</Link>
      {!order && isAbsent && (
        <>
          <PageHead title={t('orders.order', { id })} />
          <Empty title={t('orders.not_yours')} next={t('common.not_here_next')} />
        </>
      )}
      {!order && error && !isAbsent && <ProblemNote error={error} actions={<Button onClick={() => void refetch()}>{t('common.retry')}</Button>} />}
      {!order && !error && <Waiting rows={8} />}
      {order && (
        <article data-order={order.order_id} data-status={order.status}>
          <PageHead title={t('orders.order', { id: order.order_id })} aside={<LiveLight state={state} />}>
            <Status status={order.status} /> <Time at={order.created_at} detail="second" />
          </PageHead>
          <Journey order={order} isLarge />
          <OrderActions order={order} />
          <div className="two-columns">
            <Panel title={t('orders.timeline')}><Timeline history={order.history} /></Panel>
            <Contents order={order} />
          </div>
        </article>
      )}
    </main>
  );
}

function Contents({ order }: { order: Order }) {
  const { t, language } = useText();
  const payment = paymentWords(order.payment.state, t);
  const currency = order.total.currency;
  return (
    <Panel title={t('orders.lines')}>
      <ul className="order-lines">
        {order.items.map((item, index) => (
          <li key={index}>
            <LinePicture id={item.product_id} />
            <span>
              <Link to={`/products/${item.product_id}`}><LineName id={item.product_id} /></Link>
              <small>{item.quantity} × {money(item.unit_price, language)}</small>
            </span>
            <Money amount={{ ...item.unit_price, amount_minor: item.unit_price.amount_minor * item.quantity }} />
          </li>
        ))}
      </ul>
      <p className="summary-total"><span>{t('cart.total')}</span><strong><Money amount={order.total} /></strong></p>
      <dl className="facts">
        <dt>{t('orders.captured')}</dt>
        <dd><Money amount={{ amount_minor: order.payment.captured_minor, currency }} /></dd>
        {order.payment.refunded_minor > 0 && (
          <>
            <dt>{t('orders.refunded')}</dt>
            <dd><Money amount={{ amount_minor: order.payment.refunded_minor, currency }} /></dd>
          </>
        )}
        {payment && (
          <>
            <dt>{t('orders.payment_state')}</dt>
            <dd>{payment}</dd>
          </>
        )}
        {order.tracking && (
          <>
            <dt>{t('orders.tracking')}</dt>
            <dd><Copyable text={order.tracking} /></dd>
          </>
        )}
        <dt>{t('orders.address')}</dt>
        <dd className="address">{order.address ?? t('orders.no_address')}</dd>
      </dl>
    </Panel>
  );
}
