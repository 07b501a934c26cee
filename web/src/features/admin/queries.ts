// What the console reads and does. Everything that changes something goes out under an idempotency key of its intent.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, client, has, request, type DeadLetter, type Message, type Movement, type Order, type OrderList, type Product, type Stock } from '@/api/client';
import { attempt } from '@/api/attempt';
import { useOperator } from '@/api/credentials';
import { asProblem } from '@/api/problem';
import type { AuditReport, OperatorAction, SystemReport } from '@/api/shapes';

export interface OrderSearch {
  q: string;
  user: string;
  status: string;
  from: string;
  to: string;
}

const PAGE_SIZE = 20;

function searchOrders(search: OrderSearch, token: string, signal: AbortSignal): Promise<OrderList> {
  const iso = (local: string) => (local ? new Date(local).toISOString() : undefined);
  const query = {
    q: search.q.trim() || undefined,
    user_id: search.user.trim() || undefined,
    status: search.status || undefined,
    from: iso(search.from),
    to: iso(search.to),
    page_size: PAGE_SIZE,
    page_token: token || undefined,
  };
  return answer<OrderList>(client.GET('/v1/admin/search', { params: { query }, signal }));
}

export const useOrderSearch = (search: OrderSearch, token: string) =>
  useQuery({
    queryKey: ['admin', 'orders', search, token],
    queryFn: ({ signal }) => searchOrders(search, token, signal),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });

export const useAdminOrder = (id: string) =>
  useQuery({
    queryKey: ['admin', 'order', id],
    queryFn: ({ signal }) => answer<Order>(client.GET('/v1/orders/{order_id}', { params: { path: { order_id: id } }, signal })),
    refetchInterval: 3_000,
  });

export const useMessages = (id: string) =>
  useQuery({
    queryKey: ['admin', 'messages', id],
    queryFn: async ({ signal }) =>
      (await answer<{ messages: Message[] }>(client.GET('/v1/admin/orders/{order_id}/messages', { params: { path: { order_id: id } }, signal }))).messages,
    refetchInterval: 3_000,
  });

const movementsOf = async (productId: string): Promise<Movement[]> =>
  (await answer<{ movements: Movement[] }>(
    client.GET('/v1/stock/{product_id}/movements', { params: { path: { product_id: productId }, query: { page_size: 100 } } }),
  )).movements;

export const useOrderMovements = (id: string) =>
  useQuery({
    queryKey: ['admin', 'order-movements', id],
    queryFn: async ({ signal }) =>
      (await answer<{ movements: Movement[] }>(client.GET('/v1/admin/orders/{order_id}/ledger', { params: { path: { order_id: id } }, signal }))).movements,
    refetchInterval: 3_000,
  });

export const useMovements = (productId: string) =>
  useQuery({ queryKey: ['admin', 'movements', productId], queryFn: () => movementsOf(productId), enabled: productId !== '', refetchInterval: 5_000 });

export const useStock = (productId: string) =>
  useQuery({
    queryKey: ['admin', 'stock', productId],
    queryFn: () => answer<Stock>(client.GET('/v1/stock/{product_id}', { params: { path: { product_id: productId } } })),
    enabled: productId !== '',
    refetchInterval: 5_000,
  });

export interface StockMove {
  productId: string;
  verb: 'receive' | 'write-off';
  quantity: number;
  reference: string;
}

export function useMoveStock() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ productId, verb, quantity, reference }: StockMove) => {
      const body = { quantity, ...(reference.trim() ? { reference: reference.trim() } : {}) };
      return attempt(`stock:${productId}`, { verb, body }, (key) => {
        const options = { params: { path: { product_id: productId }, header: { 'Idempotency-Key': key } }, body };
        return answer<Stock>(verb === 'receive' ? client.POST('/v1/stock/{product_id}:receive', options) : client.POST('/v1/stock/{product_id}:write-off', options));
      });
    },
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ['admin'] });
      void queries.invalidateQueries({ queryKey: ['products'] });
    },
  });
}

export type OperatorVerb = 'cancel' | 'ship' | 'deliver' | 'return' | 'pay';

export function useOperate(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ verb, tracking }: { verb: OperatorVerb; tracking?: string }) =>
      attempt(`admin.${verb}:${id}`, { verb, tracking }, (key) => {
        const options = { params: { path: { order_id: id }, header: { 'Idempotency-Key': key } } };
        const calls = {
          cancel: () => client.POST('/v1/orders/{order_id}:cancel', options),
          deliver: () => client.POST('/v1/orders/{order_id}:deliver', options),
          return: () => client.POST('/v1/orders/{order_id}:return', options),
          pay: () => client.POST('/v1/orders/{order_id}:pay', options),
          ship: () => client.POST('/v1/orders/{order_id}:ship', { ...options, body: tracking ? { tracking } : {} }),
        };
        return answer<Order>(calls[verb]() as Promise<{ data?: Order; response: Response; error?: unknown }>);
      }),
    onSettled: () => void queries.invalidateQueries({ queryKey: ['admin'] }),
  });
}

export const useDeadLetters = (token: string) =>
  useQuery({
    queryKey: ['admin', 'letters', token],
    queryFn: () =>
      answer<{ dead_letters: DeadLetter[]; next_page_token: string }>(
        client.GET('/v1/admin/dead-letters', { params: { query: { page_size: 50, page_token: token || undefined } } }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: 4_000,
  });

export interface Settled {
  done: string[];
  failed: { id: string; code: string }[];
}

const AT_ONCE = 4;

/** One call each, a few at a time, when the server has none for many. */
export async function settleLetters(verb: 'replay' | 'discard', ids: string[]): Promise<Settled> {
  if (has(`POST /v1/admin/dead-letters:${verb}`)) {
    return request<Settled>('POST', `/v1/admin/dead-letters:${verb}`, { body: { ids } });
  }
  const settled: Settled = { done: [], failed: [] };
  const waiting = [...ids];
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const options = { params: { path: { id } } };
      try {
        await answer<DeadLetter>(verb === 'replay' ? client.POST('/v1/admin/dead-letters/{id}:replay', options) : client.POST('/v1/admin/dead-letters/{id}:discard', options));
        settled.done.push(id);
      } catch (error) {
        settled.failed.push({ id, code: asProblem(error).code });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return settled;
}

export function useSettleLetters() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ verb, ids }: { verb: 'replay' | 'discard'; ids: string[] }) => settleLetters(verb, ids),
    onSettled: () => void queries.invalidateQueries({ queryKey: ['admin'] }),
  });
}

/** A product with its texts in both languages: the interface gives one at a time. */
export const useBothLanguages = (id: string | null) =>
  useQuery({
    queryKey: ['admin', 'product', id],
    queryFn: async () => {
      const read = (lang: 'en' | 'zh') =>
        answer<Product>(client.GET('/v1/products/{product_id}', { params: { path: { product_id: id ?? '' }, query: { lang } } }));
      const [en, zh] = await Promise.all([read('en'), read('zh')]);
      return { en, zh };
    },
    enabled: id !== null,
    staleTime: 0,
    gcTime: 0,
  });

export interface ProductDraft {
  name?: { en: string; zh: string };
  description?: { en: string; zh: string };
  price?: { amount_minor: number; currency: string };
  category?: string;
  picture?: string;
  on_sale?: boolean;
}

export function useSaveProduct() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, draft }: { id: string | null; draft: ProductDraft }) =>
      attempt(`product:${id ?? 'new'}`, draft, (key) => {
        const header = { 'Idempotency-Key': key };
        return id === null
          ? answer<Product>(client.POST('/v1/products', { params: { header }, body: draft as never }))
          : answer<Product>(client.PATCH('/v1/products/{product_id}', { params: { path: { product_id: id }, header }, body: draft as never }));
      }),
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ['admin'] });
      void queries.invalidateQueries({ queryKey: ['products'] });
      void queries.invalidateQueries({ queryKey: ['product'] });
    },
  });
}

export const canRepair = has('POST /v1/admin/audit:repair');

export const useAudit = () =>
  useMutation({
    mutationFn: (repairs: boolean) => request<AuditReport>(repairs ? 'POST' : 'GET', repairs ? '/v1/admin/audit:repair' : '/v1/admin/audit'),
  });

export const useSystem = () =>
  useQuery({ queryKey: ['admin', 'system'], queryFn: () => request<SystemReport>('GET', '/v1/admin/system'), refetchInterval: 3_000 });

export const useRebuild = () => useMutation({ mutationFn: () => request('POST', '/v1/admin/projections:rebuild') });

export const useActions = () =>
  useQuery({
    queryKey: ['admin', 'actions'],
    queryFn: () => (has('GET /v1/admin/actions') ? request<{ actions: OperatorAction[] }>('GET', '/v1/admin/actions', { query: { page_size: 20 } }) : null),
    refetchInterval: 5_000,
  });

export const useOperatorName = () => useOperator((operator) => operator.name) ?? '';
