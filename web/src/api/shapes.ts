// Names for what the OpenAPI file describes, and shapes that only these pages have.
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
export type AuditReport = Schemas['AuditReport'];
export type AuditRepair = Schemas['AuditRepair'];
export type RepairStep = Schemas['AuditRepairStep'];
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
