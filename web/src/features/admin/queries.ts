// What the console reads and does. Everything that changes something goes out under an idempotency key of its intent.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  answer,
  client,
  request,
  type ActionList,
  type DeadLetter,
  type Message,
  type Movement,
  type MovementList,
  type Order,
  type OrderList,
  type Product,
  type SettledLetters,
  type Stock,
} from '@/api/client';
import { attempt } from '@/api/attempt';
import { useOperator } from '@/api/credentials';
import type { AuditRepair, AuditReport, SystemReport } from '@/api/shapes';

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

export const useOrderMovements = (id: string) =>
  useQuery({
    queryKey: ['admin', 'order-movements', id],
    queryFn: async ({ signal }) =>
      (await answer<{ movements: Movement[] }>(client.GET('/v1/admin/orders/{order_id}/ledger', { params: { path: { order_id: id } }, signal }))).movements,
    refetchInterval: 3_000,
  });

export const useMovements = (productId: string, token: string) =>
  useQuery({
    queryKey: ['admin', 'movements', productId, token],
    queryFn: ({ signal }) =>
      answer<MovementList>(
        client.GET('/v1/stock/{product_id}/movements', { params: { path: { product_id: productId }, query: { page_size: 50, page_token: token || undefined } }, signal }),
      ),
    enabled: productId !== '',
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });

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

/** As many letters as the server takes in one call. */
const LETTERS_AT_ONCE = 100;

export async function settleLetters(verb: 'replay' | 'discard', ids: string[]): Promise<Settled> {
  const settled: Settled = { done: [], failed: [] };
  for (let from = 0; from < ids.length; from += LETTERS_AT_ONCE) {
    const body = { ids: ids.slice(from, from + LETTERS_AT_ONCE) };
    const { results } = await answer<SettledLetters>(
      verb === 'replay' ? client.POST('/v1/admin/dead-letters:replay', { body }) : client.POST('/v1/admin/dead-letters:discard', { body }),
    );
    for (const { id, done, code } of results) {
      if (done) settled.done.push(id);
      else settled.failed.push({ id, code: code ?? 'unexpected' });
    }
  }
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

export const useAudit = () => useMutation({ mutationFn: () => answer<AuditReport>(client.GET('/v1/admin/audit')) });

/** Without a confirmation it only tells what would be done. */
export function useRepair() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (confirm: boolean) => answer<AuditRepair>(client.POST('/v1/admin/audit:repair', { body: { confirm } })),
    onSettled: (_data, _error, confirm) => confirm && void queries.invalidateQueries({ queryKey: ['admin'] }),
  });
}

export const useSystem = () =>
  useQuery({ queryKey: ['admin', 'system'], queryFn: () => request<SystemReport>('GET', '/v1/admin/system'), refetchInterval: 3_000 });

export const useRebuild = () => useMutation({ mutationFn: () => request('POST', '/v1/admin/projections:rebuild') });

export const useActions = (token: string) =>
  useQuery({
    queryKey: ['admin', 'actions', token],
    queryFn: ({ signal }) =>
      answer<ActionList>(client.GET('/v1/admin/actions', { params: { query: { page_size: 50, page_token: token || undefined } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });

export const useOperatorName = () => useOperator((operator) => operator.name) ?? '';
