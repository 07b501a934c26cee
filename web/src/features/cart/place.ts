// Placing an order: what is sent, and under which key. The price seen goes along, so that nobody pays what they did not
// see; the key belongs to what is asked, so that pressing again never orders twice.
import { answer, client, type Order } from '@/api/client';
import { attempt } from '@/api/attempt';
import { decimal } from '@/i18n/format';
import type { CartLine } from './cart';

export interface Wanted {
  user: string;
  lines: CartLine[];
  address: string;
  coupon: string;
}

const bodyOf = ({ user, lines, address, coupon }: Wanted) => ({
  user_id: user,
  items: lines.map((line) => ({ product_id: line.product_id, quantity: line.quantity, price: decimal(line.seen) })),
  ...(address.trim() ? { address: address.trim() } : {}),
  ...(coupon.trim() ? { coupon: coupon.trim() } : {}),
});

export function place(wanted: Wanted): Promise<Order> {
  const body = bodyOf(wanted);
  return attempt(`place:${wanted.user}`, body, (key) =>
    answer<Order>(client.POST('/v1/orders', { body, params: { header: { 'Idempotency-Key': key } } })),
  );
}
