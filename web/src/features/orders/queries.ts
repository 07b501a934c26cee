// Reading a customer's orders.
import { useQuery } from '@tanstack/react-query';
import { answer, client, type Order, type OrderList } from '@/api/client';
import { useLive } from './live';
import { newest, overlay } from './overlay';

export const PAGE_SIZE = 10;

interface ListOptions {
  user: string;
  statuses: readonly string[];
  token: string;
}

export function useOrders({ user, statuses, token }: ListOptions) {
  const live = useLive((state) => state.orders);
  const query = useQuery({
    queryKey: ['orders', user, statuses.join(','), token],
    queryFn: ({ signal }) =>
      answer<OrderList>(
        client.GET('/v1/orders', {
          params: { query: { user_id: user, status: statuses.join(',') || undefined, page_size: PAGE_SIZE, page_token: token || undefined } },
          signal,
        }),
      ),
    placeholderData: (before) => before,
  });
  const orders = query.data && overlay(query.data.orders, live, { statuses, isFirstPage: token === '' });
  return { ...query, orders, next: query.data?.next_page_token ?? '' };
}

export function useOrder(id: string) {
  const live = useLive((state) => state.orders);
  const query = useQuery({
    queryKey: ['order', id],
    queryFn: ({ signal }) => answer<Order>(client.GET('/v1/orders/{order_id}', { params: { path: { order_id: id } }, signal })),
  });
  return { ...query, order: query.data ? newest(query.data, live) : live.get(id) };
}
