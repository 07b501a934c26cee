// The panels of the dashboard.
import { Segmented } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { Link } from 'react-router';
import type { FeedOrder, SalesStep, StatusCounts } from '@/api/shapes';
import { useProductName } from '@/api/queries/products';
import { useText } from '@/i18n';
import { count, money } from '@/i18n/format';
import { ProblemNote } from '@/ui/problem-note';
import { statusWord } from '@/ui/history-words';
import { Empty, Money, Panel, Status, Time, Waiting } from '@/ui/small';
import { filled, useSales, useStockAlarms, useTopProducts } from './queries';
import { bucketWord } from './words';

const SalesChart = lazy(() => import('./chart'));

export function Figure({ label, value, small }: { label: string; value: string; small?: string }) {
  return (
    <div className="figure">
      <dt>{label}</dt>
      <dd>{value}</dd>
      {small && <dd className="figure-small">{small}</dd>}
    </div>
  );
}

const funnelOrder = ['pending', 'confirmed', 'paid', 'ship_failed', 'shipped', 'delivered', 'cancelled', 'returned'];

export function Funnel({ byStatus }: { byStatus: StatusCounts }) {
  const { t, language } = useText();
  const most = Math.max(1, ...funnelOrder.map((status) => byStatus[status] ?? 0));
  return (
    <Panel title={t('dash.funnel')}>
      <ul className="bars">
        {funnelOrder.map((status) => (
          <li key={status} className={`bar bar-${status}`}>
            <span className="bar-name">{statusWord(status, t)}</span>
            <svg className="bar-track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
              <rect width={((byStatus[status] ?? 0) / most) * 100} height="8" />
            </svg>
            <span className="bar-count">{count(byStatus[status] ?? 0, language)}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export function Feed({ latest, isHeld, onHold }: { latest: FeedOrder[]; isHeld: boolean; onHold: (isHeld: boolean) => void }) {
  const { t } = useText();
  return (
    <Panel title={t('dash.feed')} aside={<button type="button" className="text-button" aria-pressed={isHeld} onClick={() => onHold(!isHeld)}>{t(isHeld ? 'dash.resume' : 'dash.pause')}</button>}>
      {latest.length === 0 ? (
        <p className="quiet panel-quiet">{t('dash.feed_none')}</p>
      ) : (
        <ol className="feed">
          {latest.map((order) => (
            <li key={order.order_id}>
              <Time at={order.at} detail="second" />
              <Link to={`/orders/${order.order_id}`} className="mono">{order.order_id}</Link>
              <Status status={order.status} />
              <Money amount={order.total} />
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}

export function Series() {
  const { t, language } = useText();
  const [step, setStep] = useState<SalesStep>('minute');
  const [isTable, setTable] = useState(false);
  const [chosen, setChosen] = useState('');
  const { data, error, isPending, dataUpdatedAt } = useSales(step);
  const currencies = data?.currencies.map((each) => each.currency) ?? [];
  const currency = currencies.includes(chosen) ? chosen : (currencies[0] ?? 'CNY');
  const offsetMinutes = data?.utc_offset_minutes ?? 0;
  const points = useMemo(() => {
    const sales = data?.currencies.find((each) => each.currency === currency);
    return data ? filled(sales, step, dataUpdatedAt, data.utc_offset_minutes) : [];
  }, [data, dataUpdatedAt, step, currency]);
  return (
    <Panel
      title={t('dash.series')}
      aside={
        <span className="buttons">
          {data && <button type="button" className="text-button" onClick={() => setTable(!isTable)}>{t(isTable ? 'dash.chart' : 'dash.table')}</button>}
          {currencies.length > 1 && <Segmented<string> size="small" value={currency} onChange={setChosen} options={currencies} />}
          <Segmented<SalesStep>
            size="small"
            value={step}
            onChange={setStep}
            options={[
              { value: 'minute', label: t('dash.by_minute') },
              { value: 'hour', label: t('dash.by_hour') },
              { value: 'day', label: t('dash.by_day') },
            ]}
          />
        </span>
      }
    >
      {error && <ProblemNote error={error} />}
      {isPending && <Waiting rows={6} />}
      {data && !isTable && (
        <>
          <Suspense fallback={<div className="chart" />}>
            <SalesChart points={points} step={step} currency={currency} offsetMinutes={offsetMinutes} />
          </Suspense>
          <p className="legend" aria-hidden="true"><i className="legend-bar" /> {t('dash.series_sales')} <i className="legend-line" /> {t('dash.series_orders')}</p>
        </>
      )}
      {data && isTable && (
        <div className="plain-table-box" tabIndex={0} role="region" aria-label={t('dash.series')}>
          <table className="plain-table">
            <thead><tr><th scope="col">{t('col.time')}</th><th scope="col">{t('dash.series_orders')}</th><th scope="col">{t('dash.series_sales')}</th></tr></thead>
            <tbody>
              {points.toReversed().map((point) => (
                <tr key={point.at}><td>{bucketWord(point.at, step, language, offsetMinutes)}</td><td>{count(point.orders, language)}</td><td>{money({ amount_minor: point.sales_minor, currency }, language)}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

function ProductName({ id, name }: { id: string; name?: string | null }) {
  const read = useProductName(id);
  return <Link to={`/products/${id}`}>{name ?? read}</Link>;
}

export function Top() {
  const { t, language } = useText();
  const [day, setDay] = useState<'today' | 'yesterday'>('today');
  const { data, error, isPending } = useTopProducts(day);
  const most = Math.max(1, ...(data?.products ?? []).map((product) => product.quantity));
  return (
    <Panel
      title={t('dash.top')}
      aside={<Segmented<'today' | 'yesterday'> size="small" value={day} onChange={setDay} options={[{ value: 'yesterday', label: t('dash.yesterday') }, { value: 'today', label: t('dash.today') }]} />}
    >
      {error && <ProblemNote error={error} />}
      {isPending && <Waiting />}
      {data?.products.length === 0 && <Empty title={t('dash.no_stats')} next={t('dash.no_stats_next')} />}
      <ol className="bars">
        {data?.products.map((product) => (
          <li key={product.product_id} className="bar bar-top">
            <span className="bar-name"><ProductName id={product.product_id} name={product.name} /></span>
            <svg className="bar-track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width={(product.quantity / most) * 100} height="8" /></svg>
            <span className="bar-count">{count(product.quantity, language)}</span>
            <span className="bar-money"><Money amount={product.sales} /></span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

export function Alarms() {
  const { t, language } = useText();
  const { data, error, isPending } = useStockAlarms();
  return (
    <Panel title={t('dash.alarms')} aside={data && <small>{t('dash.below', { count: data.below })}</small>}>
      {error && <ProblemNote error={error} />}
      {isPending && <Waiting />}
      {data?.products.length === 0 && <p className="quiet panel-quiet">{t('dash.alarms_none')}</p>}
      <ul className="alarms">
        {data?.products.map((product) => (
          <li key={product.product_id} data-gone={product.free <= 0}>
            <ProductName id={product.product_id} name={product.name} />
            <strong>{count(product.free, language)}</strong>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
