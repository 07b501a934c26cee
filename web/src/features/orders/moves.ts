// Paying, cancelling and returning. Each press of a button is one intent with one key.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answer, client, type Order } from '@/api/client';
import { attempt } from '@/api/attempt';
import { noteOrder } from './live';

export type MoveVerb = 'pay' | 'cancel' | 'return';

interface Moved {
  order: Order;
  /** The provider has not said yet; the state moves on by itself. */
  isOpen: boolean;
}

function call(verb: MoveVerb, id: string, key: string) {
  const options = { params: { path: { order_id: id }, header: { 'Idempotency-Key': key } } };
  if (verb === 'pay') return client.POST('/v1/orders/{order_id}:pay', options);
  if (verb === 'cancel') return client.POST('/v1/orders/{order_id}:cancel', options);
  return client.POST('/v1/orders/{order_id}:return', options);
}

export const moveOrder = (verb: MoveVerb, id: string): Promise<Moved> =>
  attempt(`${verb}:${id}`, { verb, id }, async (key) => {
    let isOpen = false;
    const order = await answer<Order>(
      call(verb, id, key).then((result) => {
        isOpen = result.response.status === 202;
        return result as { data?: Order; response: Response; error?: unknown };
      }),
    );
    return { order, isOpen };
  });

export function useMove(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (verb: MoveVerb) => moveOrder(verb, id),
    onSuccess: ({ order }) => noteOrder(order),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ['order', id] });
      void queries.invalidateQueries({ queryKey: ['orders'] });
      void queries.invalidateQueries({ queryKey: ['product'] });
    },
  });
}
