// How amounts, numbers and times are written. Money comes in minor units with its currency and is never calculated with
// as a fraction; times come in UTC and are shown in the reader's zone.
import type { Language } from './index';

export interface Money {
  amount_minor: number;
  currency: string;
}

const locales: Record<Language, string> = { en: 'en', zh: 'zh-CN' };
const cache = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numberFormat(language: Language, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${language}${JSON.stringify(options)}`;
  const known = cache.get(key) ?? new Intl.NumberFormat(locales[language], options);
  cache.set(key, known);
  return known as Intl.NumberFormat;
}

function dateFormat(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${language}${JSON.stringify(options)}`;
  const known = cache.get(key) ?? new Intl.DateTimeFormat(locales[language], options);
  cache.set(key, known);
  return known as Intl.DateTimeFormat;
}

/** The decimal of an amount, exactly: `9999` CNY is `99.99`, `9999` JPY is `9999`. */
export function decimal({ amount_minor, currency }: Money): string {
  const digits = numberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  if (digits === 0) return String(amount_minor);
  const sign = amount_minor < 0 ? '-' : '';
  const text = String(Math.abs(amount_minor)).padStart(digits + 1, '0');
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

export function money(amount: Money, language: Language): string {
  const options = { style: 'currency', currency: amount.currency, currencyDisplay: 'narrowSymbol' } as const;
  // A decimal string keeps every digit where a float would not.
  return numberFormat(language, options).format(decimal(amount) as Intl.StringNumericLiteral);
}

/** For charts and big figures: `¥1.2M`, `¥120万`. */
export function moneyShort(amount: Money, language: Language): string {
  const options = {
    style: 'currency',
    currency: amount.currency,
    currencyDisplay: 'narrowSymbol',
    notation: 'compact',
    maximumFractionDigits: 1,
    trailingZeroDisplay: 'stripIfInteger',
  } as const;
  return numberFormat(language, options).format(decimal(amount) as Intl.StringNumericLiteral);
}

export const count = (value: number, language: Language): string => numberFormat(language, {}).format(value);

export const rate = (value: number, language: Language): string =>
  numberFormat(language, { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value);

export function time(at: string | Date, language: Language, detail: 'second' | 'minute' | 'full' = 'minute'): string {
  const date = typeof at === 'string' ? new Date(at) : at;
  if (Number.isNaN(date.getTime())) return String(at);
  if (detail === 'full') return dateFormat(language, { dateStyle: 'long', timeStyle: 'long' }).format(date);
  const now = new Date();
  const isToday = date.toDateString() === now.toDateString();
  const year = date.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' as const };
  const clock: Intl.DateTimeFormatOptions = {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    ...(detail === 'second' ? { second: '2-digit' as const } : {}),
  };
  return dateFormat(language, isToday ? clock : { ...year, month: 'short', day: 'numeric', ...clock }).format(date);
}

/** How long something took: `340 ms`, `2.1 s`, `12 min`. */
export function duration(ms: number, language: Language): string {
  const unit = (value: number, name: 'millisecond' | 'second' | 'minute' | 'hour' | 'day', digits = 0) =>
    numberFormat(language, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits }).format(value);
  if (ms < 1000) return unit(Math.max(0, Math.round(ms)), 'millisecond');
  if (ms < 60_000) return unit(ms / 1000, 'second', 1);
  if (ms < 3_600_000) return unit(ms / 60_000, 'minute', 1);
  if (ms < 86_400_000) return unit(ms / 3_600_000, 'hour', 1);
  return unit(ms / 86_400_000, 'day', 1);
}

/** A time that something took, to a tenth of a millisecond. */
export const milliseconds = (ms: number, language: Language): string =>
  `${numberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(ms)} ms`;
