// The shop as a whole, read only: /dashboard
import { useState } from 'react';
import { isBusyNow, useFeed } from '@/features/dashboard/feed';
import { Alarms, Feed, Figure, Funnel, Series, Top } from '@/features/dashboard/panels';
import { useNow, useSummary } from '@/features/dashboard/queries';
import { useText } from '@/i18n';
import { count, money, rate, time } from '@/i18n/format';
import { ProblemNote } from '@/ui/problem-note';
import { LiveLight, PageHead } from '@/ui/small';

export function Component() {
  const { t, language } = useText();
  const [isHeld, setHeld] = useState(false);
  const { data: now, error } = useNow();
  const { data: summary } = useSummary();
  const [isBusy, setBusy] = useState(false);
  const busy = isBusyNow(isBusy, now?.changes_per_s ?? 0);
  if (busy !== isBusy) setBusy(busy);
  const { latest, state } = useFeed({ isHeld, isBusy: busy });
  const amounts = (sales: { amount_minor: number; currency: string }[] | undefined) =>
    sales && sales.length > 0 ? sales.map((amount) => money(amount, language)).join(' + ') : '–';
  const numbers = (value: number | undefined) => (value === undefined ? '–' : count(value, language));
  const day = (figures: { orders: number } | undefined) => figures && t('dash.day_orders', { count: count(figures.orders, language) });
  return (
    <main className="page page-board">
      <PageHead title={t('dash.title')} aside={<LiveLight state={state} />}>
        {now && t('dash.as_of', { time: time(now.as_of, language, 'second') })}
      </PageHead>
      {error && !now && <ProblemNote error={error} />}
      <dl className="figures">
        <Figure label={t('dash.rate')} value={rate(now?.orders_per_s ?? 0, language)} />
        <Figure label={t('dash.orders')} value={numbers(now?.orders)} small={now && t('dash.open', { count: numbers(now.open_orders) })} />
        <Figure label={t('dash.sales')} value={amounts(now?.sales)} />
        <Figure label={t('dash.today')} value={amounts(now?.today.sales)} small={day(now?.today)} />
        <Figure label={t('dash.yesterday')} value={amounts(summary?.yesterday.sales)} small={day(summary?.yesterday)} />
      </dl>
      <div className="board">
        <div className="board-wide"><Series /></div>
        <Funnel byStatus={now?.by_status ?? {}} />
        <div className="board-wide"><Feed latest={latest} isHeld={isHeld} onHold={setHeld} /></div>
        <div className="board-stack"><Top /><Alarms /></div>
      </div>
    </main>
  );
}
