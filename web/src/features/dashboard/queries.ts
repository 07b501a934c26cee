// Reading the statistics, and laying them out over time.
import { useQuery } from '@tanstack/react-query';
import { request } from '@/api/client';
import type { CurrencySales, SalesSeries, SalesStep, StatsNow, StatsSummary, StockAlarms, TopProducts } from '@/api/shapes';
import { useLanguage } from '@/i18n';

const NOW_EVERY_MS = 1_000;

/** What changes by the second; cheap for the server. */
export const useNow = () =>
  useQuery({ queryKey: ['stats', 'now'], queryFn: () => request<StatsNow>('GET', '/v1/stats/now'), refetchInterval: NOW_EVERY_MS });

export const useSummary = () =>
  useQuery({ queryKey: ['stats', 'summary'], queryFn: () => request<StatsSummary>('GET', '/v1/stats/summary'), refetchInterval: 5_000 });

export const spans: Record<SalesStep, { ms: number; buckets: number; refetchMs: number }> = {
  minute: { ms: 60_000, buckets: 60, refetchMs: 2_000 },
  hour: { ms: 3_600_000, buckets: 24, refetchMs: 5_000 },
  day: { ms: 86_400_000, buckets: 30, refetchMs: 15_000 },
};

export const useSales = (step: SalesStep) =>
  useQuery({
    queryKey: ['stats', 'sales', step],
    queryFn: () => {
      const { ms, buckets } = spans[step];
      return request<SalesSeries>('GET', '/v1/stats/sales', { query: { step, from: new Date(Date.now() - buckets * ms).toISOString() } });
    },
    refetchInterval: spans[step].refetchMs,
  });

export function useTopProducts(day: 'today' | 'yesterday') {
  const lang = useLanguage((choice) => choice.language);
  return useQuery({
    queryKey: ['stats', 'top', day, lang],
    queryFn: () => request<TopProducts>('GET', '/v1/stats/top-products', { query: { day, limit: 10, lang } }),
    refetchInterval: 5_000,
  });
}

export function useStockAlarms() {
  const lang = useLanguage((choice) => choice.language);
  return useQuery({
    queryKey: ['stats', 'alarms', lang],
    queryFn: () => request<StockAlarms>('GET', '/v1/stats/stock-alarms', { query: { below: 20, limit: 20, lang } }),
    refetchInterval: 5_000,
  });
}

/** The begin of the bucket that `atMs` lies in; days are those of the shop. */
export function startOf(atMs: number, step: SalesStep, offsetMinutes: number): number {
  const { ms } = spans[step];
  const offset = offsetMinutes * 60_000;
  return Math.floor((atMs + offset) / ms) * ms - offset;
}

export interface Point {
  at: number;
  orders: number;
  sales_minor: number;
}

/** Every bucket up to now, also those in which nothing happened. */
export function filled(sales: CurrencySales | undefined, step: SalesStep, nowMs: number, offsetMinutes: number): Point[] {
  const { ms, buckets } = spans[step];
  const last = startOf(nowMs, step, offsetMinutes);
  const known = new Map((sales?.buckets ?? []).map((bucket) => [startOf(Date.parse(bucket.at), step, offsetMinutes), bucket]));
  return Array.from({ length: buckets }, (_, index) => {
    const at = last - (buckets - 1 - index) * ms;
    const bucket = known.get(at);
    return { at, orders: bucket?.orders ?? 0, sales_minor: bucket?.sales_minor ?? 0 };
  });
}
