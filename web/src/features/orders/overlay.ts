// Laying what the stream says over what was read. An order has one truth, the highest version; the stream may repeat
// and a list may be older than the stream, so the version decides and nothing else.
import type { Order } from '@/api/client';

export type LiveOrders = ReadonlyMap<string, Order>;

const KEPT_MAX = 300;

/** The live orders with one more; the longest unchanged go when there are too many. */
export function heard(live: LiveOrders, order: Order): LiveOrders {
  const known = live.get(order.order_id);
  if (known && known.version >= order.version) return live;
  const next = new Map(live);
  next.delete(order.order_id);
  next.set(order.order_id, order);
  if (next.size > KEPT_MAX) next.delete(next.keys().next().value as string);
  return next;
}

export const newest = (read: Order, live: LiveOrders): Order => {
  const streamed = live.get(read.order_id);
  return streamed && streamed.version > read.version ? streamed : read;
};

interface Overlay {
  /** Only these states are shown; empty: all. */
  statuses: readonly string[];
  /** New orders appear on the first page only. */
  isFirstPage: boolean;
}

const byNewest = (a: Order, b: Order) => b.created_at.localeCompare(a.created_at) || b.order_id.localeCompare(a.order_id);

export function overlay(read: Order[], live: LiveOrders, { statuses, isFirstPage }: Overlay): Order[] {
  const fits = (order: Order) => statuses.length === 0 || statuses.includes(order.status);
  const ids = new Set(read.map((order) => order.order_id));
  const current = read.map((order) => newest(order, live));
  if (!isFirstPage) return current.filter(fits);
  const oldest = read.at(-1)?.created_at ?? '';
  const come = [...live.values()].filter((order) => !ids.has(order.order_id) && order.created_at >= oldest);
  return [...come, ...current].filter(fits).sort(byNewest);
}
