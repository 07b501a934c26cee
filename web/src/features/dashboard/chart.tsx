// Sales and orders over time. The drawing library is loaded with this file, and this file with the dashboard only. Its
// tooltips are drawn, not written as HTML: the security policy forbids the inline styles those would carry.
import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use as register, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import type { SalesStep } from '@/api/shapes';
import { useText } from '@/i18n';
import { count, decimal, money, moneyShort } from '@/i18n/format';
import { useMode } from '@/ui/preferences';
import { palettes, type } from '@/ui/theme.mjs';
import { bucketWord } from './words';
import type { Point } from './queries';

register([BarChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

interface ChartProps {
  points: Point[];
  step: SalesStep;
  currency: string;
  offsetMinutes: number;
}

export default function SalesChart({ points, step, currency, offsetMinutes }: ChartProps) {
  const { t, language } = useText();
  const { mode } = useMode();
  const element = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);

  useEffect(() => {
    if (!element.current) return undefined;
    const made = init(element.current);
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    const p = palettes[mode];
    const axis = { axisLine: { lineStyle: { color: p['line-strong'] } }, axisTick: { show: false }, axisLabel: { color: p['soft'], fontFamily: type.sans, fontSize: 11 } };
    const amount = (minor: number) => ({ amount_minor: Math.round(minor), currency });
    const major = (minor: number) => Number(decimal(amount(minor)));
    const minorPerMajor = 10 ** (decimal({ amount_minor: 0, currency }).split('.')[1]?.length ?? 0);
    chart.current?.setOption(
      {
        animation: false,
        grid: { left: 4, right: 4, top: 16, bottom: 2, containLabel: true },
        tooltip: {
          trigger: 'axis',
          renderMode: 'richText',
          backgroundColor: p['ink'],
          borderWidth: 0,
          textStyle: { color: p['ground'], fontSize: 12, fontFamily: type.sans },
          formatter: (items: { dataIndex: number }[]) => {
            const point = points[items[0]?.dataIndex ?? 0];
            if (!point) return '';
            const sales = `${t('dash.series_sales')}  ${money(amount(point.sales_minor), language)}`;
            return `${bucketWord(point.at, step, language, offsetMinutes)}\n${sales}\n${t('dash.series_orders')}  ${count(point.orders, language)}`;
          },
        },
        xAxis: { type: 'category', data: points.map((point) => bucketWord(point.at, step, language, offsetMinutes)), ...axis },
        yAxis: [
          { type: 'value', ...axis, axisLine: { show: false }, splitNumber: 4, splitLine: { lineStyle: { color: p['line'] } }, axisLabel: { ...axis.axisLabel, formatter: (value: number) => moneyShort(amount(value * minorPerMajor), language) } },
          { type: 'value', ...axis, axisLine: { show: false }, splitNumber: 4, minInterval: 1, splitLine: { show: false }, axisLabel: { ...axis.axisLabel, formatter: (value: number) => count(value, language) } },
        ],
        series: [
          { type: 'bar', name: t('dash.series_sales'), data: points.map((point) => major(point.sales_minor)), itemStyle: { color: p['accent'], borderRadius: [2, 2, 0, 0] }, barCategoryGap: '28%', emphasis: { disabled: true } },
          { type: 'line', name: t('dash.series_orders'), yAxisIndex: 1, data: points.map((point) => point.orders), symbol: 'none', lineStyle: { color: p['clay'], width: 1.8 }, emphasis: { disabled: true } },
        ],
      },
      { notMerge: true },
    );
  }, [points, step, currency, offsetMinutes, mode, language, t]);

  return <div ref={element} className="chart" role="img" aria-label={t('dash.series')} />;
}
