// Names for what the OpenAPI file describes, and shapes of the few operations that it does not have yet. `has(…)` says
// whether those can be asked for.
import type { Amount } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];

export type StatusCounts = Partial<Record<string, number>>;
export type StatsSummary = Schemas['StatisticsSummary'];
export type StatsNow = Schemas['StatisticsNow'];
export type SalesSeries = Schemas['SalesSeries'];
export type CurrencySales = Schemas['CurrencySales'];
export type TopProducts = Schemas['TopProducts'];
export type StockAlarms = Schemas['StockAlarms'];
export type SystemReport = Schemas['System'];
export type Me = Schemas['Me'];

export type SalesStep = 'minute' | 'hour' | 'day';

/** An order as the dashboard's feed shows it. */
export interface FeedOrder {
  order_id: string;
  user_id: string;
  status: string;
  total: Amount;
  at: string;
}

export interface AuditReport {
  cut: number;
  orders: number;
  products: number;
  messages_in_flight: number;
  differences_found: number;
  differences: (Record<string, unknown> | string)[];
}

export interface OperatorAction {
  at: string;
  actor: string;
  action: string;
  target: string;
  detail?: string;
  trace_id?: string;
}
