// How a stretch of time is called on an axis: hours and minutes in the reader's zone, days as the shop counts them.
import type { SalesStep } from '@/api/shapes';
import type { Language } from '@/i18n';

const clock: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };

export function bucketWord(at: number, step: SalesStep, language: Language, offsetMinutes: number): string {
  const locale = language === 'zh' ? 'zh-CN' : 'en';
  if (step !== 'day') return new Intl.DateTimeFormat(locale, clock).format(at);
  return new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(at + offsetMinutes * 60_000);
}
