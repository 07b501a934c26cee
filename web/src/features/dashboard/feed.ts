// The orders as they come, for the dashboard. In quiet times the stream tells of each; when more happens than anybody
// could read, the page asks for the latest once a second instead, and the server counts. What is drawn is a snapshot
// taken four times a second: with the figures and panels beside it the page draws at most ten times.
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { answer, client, type Order, type OrderList } from '@/api/client';
import { LiveStream, type LiveState } from '@/api/live';
import type { FeedOrder } from '@/api/shapes';

export const DRAWN_EVERY_MS = 250;
const LATEST_MAX = 14;
/** Above so many changes a second single orders are not followed any more; below so many they are again. */
const BUSY_FROM_PER_S = 100;
const BUSY_UNTIL_PER_S = 40;

const short = (order: Order): FeedOrder => ({
  order_id: order.order_id,
  user_id: order.user_id,
  status: order.status,
  total: order.total,
  at: order.updated_at,
});

/** Keeps the latest; knows nothing of time nor of drawing. */
export class Latest {
  private orders: Order[] = [];
  isChanged = false;

  note(order: Order) {
    const before = this.orders.find((each) => each.order_id === order.order_id);
    if (before && before.version >= order.version) return;
    this.orders = [order, ...this.orders.filter((each) => each !== before)].slice(0, LATEST_MAX);
    this.isChanged = true;
  }

  snapshot(): FeedOrder[] {
    this.isChanged = false;
    return this.orders.map(short);
  }
}

export const isBusyNow = (wasBusy: boolean, changesPerSecond: number): boolean =>
  changesPerSecond > (wasBusy ? BUSY_UNTIL_PER_S : BUSY_FROM_PER_S);

interface FeedOptions {
  isHeld: boolean;
  isBusy: boolean;
}

export function useFeed({ isHeld, isBusy }: FeedOptions): { latest: FeedOrder[]; state: LiveState } {
  const streamed = useStream(isHeld, isBusy);
  const read = useQuery({
    queryKey: ['stats', 'latest'],
    queryFn: async ({ signal }) => (await answer<OrderList>(client.GET('/v1/orders', { params: { query: { page_size: LATEST_MAX } }, signal }))).orders.map(short),
    // The first look, and all of them while too much happens.
    refetchInterval: isBusy && !isHeld ? 1_000 : false,
    staleTime: Infinity,
  });
  const isRead = isBusy || streamed.latest.length === 0;
  return {
    latest: isRead ? (read.data ?? []) : streamed.latest,
    state: isBusy ? (read.error ? 'waiting' : 'live') : streamed.state,
  };
}

function useStream(isHeld: boolean, isBusy: boolean): { latest: FeedOrder[]; state: LiveState } {
  const [state, setState] = useState<LiveState>('connecting');
  const [latest, setLatest] = useState<FeedOrder[]>([]);
  const [noted] = useState(() => new Latest());
  useEffect(() => {
    if (isBusy) return undefined;
    const stream = new LiveStream({}, { order: (order) => noted.note(order), state: setState }, { isGapless: false });
    return () => stream.stop();
  }, [noted, isBusy]);
  useEffect(() => {
    if (isHeld) return undefined;
    const timer = setInterval(() => {
      // A hidden page draws nothing.
      if (noted.isChanged && document.visibilityState !== 'hidden') setLatest(noted.snapshot());
    }, DRAWN_EVERY_MS);
    return () => clearInterval(timer);
  }, [noted, isHeld]);
  return { latest, state };
}
