// One order in the customer's list.
import { Link } from 'react-router';
import type { Order } from '@/api/client';
import { useProduct } from '@/api/queries/products';
import { useText } from '@/i18n';
import { Journey } from '@/ui/journey';
import { Money, Status, Time } from '@/ui/small';

const PICTURES_MAX = 4;

export function LineName({ id }: { id: string }) {
  const { data } = useProduct(id);
  return <>{data?.name ?? `#${id}`}</>;
}

export function LinePicture({ id }: { id: string }) {
  const { data } = useProduct(id);
  return data?.picture ? <img src={data.picture} alt="" width={64} height={48} loading="lazy" /> : <span className="picture-none" aria-hidden="true" />;
}

export function OrderRow({ order }: { order: Order }) {
  const { t } = useText();
  const pieces = order.items.reduce((sum, item) => sum + item.quantity, 0);
  const first = order.items[0];
  return (
    <li className="order-row" data-order={order.order_id} data-status={order.status}>
      <div className="order-pictures" aria-hidden="true">
        {order.items.slice(0, PICTURES_MAX).map((item) => <LinePicture key={item.product_id} id={item.product_id} />)}
      </div>
      <div className="order-words">
        <Link to={`/orders/${order.order_id}`} className="order-link">
          {first ? <LineName id={first.product_id} /> : order.order_id}
          {order.items.length > 1 && ` +${order.items.length - 1}`}
        </Link>
        <span className="order-small">
          <Time at={order.created_at} /> · {t('orders.items', { count: pieces })} · <span className="mono">{order.order_id}</span>
        </span>
      </div>
      <Journey order={order} />
      <Status status={order.status} />
      <span className="order-total"><Money amount={order.total} /></span>
    </li>
  );
}
