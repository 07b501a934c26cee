// The customer's orders as they change. One stream for all pages of the shop; what it says is laid over what is read.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { create } from 'zustand';
import type { Order } from '@/api/client';
import { LiveStream, type LiveState } from '@/api/live';
import { heard, type LiveOrders } from './overlay';

interface Live {
  user: string | null;
  orders: LiveOrders;
  state: LiveState;
}

export const useLive = create<Live>()(() => ({ user: null, orders: new Map(), state: 'closed' }));

export const noteOrder = (order: Order) => useLive.setState(({ orders }) => ({ orders: heard(orders, order) }));

/** Keeps the stream of `user` open while the page that calls it is shown. */
export function useOrderStream(user: string | null) {
  const queries = useQueryClient();
  useEffect(() => {
    if (!user) return undefined;
    if (useLive.getState().user !== user) useLive.setState({ user, orders: new Map() });
    const stream = new LiveStream(
      { user_id: user },
      {
        order: noteOrder,
        state: (state) => useLive.setState({ state }),
        beginAnew: () => useLive.setState({ orders: new Map() }),
        // What happened before the stream was open, or while it was away, is read.
        caughtUp: () => {
          void queries.invalidateQueries({ queryKey: ['orders'] });
          void queries.invalidateQueries({ queryKey: ['order'] });
        },
      },
    );
    return () => stream.stop();
  }, [user, queries]);
}
