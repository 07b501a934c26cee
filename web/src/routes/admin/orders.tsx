// Finding orders: /admin/orders?q=&user=&status=&from=&to=
import { Button, Input, Select } from 'antd';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import type { Order } from '@/api/client';
import { useOrderSearch, type OrderSearch } from '@/features/admin/queries';
import { useText } from '@/i18n';
import { Grid } from '@/ui/grid';
import { statusWord } from '@/ui/history-words';
import { Journey } from '@/ui/journey';
import { Pager } from '@/ui/pager';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, Money, PageHead, Status, Time } from '@/ui/small';

const statuses = ['pending', 'confirmed', 'paid', 'ship_failed', 'shipped', 'delivered', 'cancelled', 'returned'];
const fields = ['q', 'user', 'status', 'from', 'to'] as const;

export function Component() {
  const { t } = useText();
  const [params, setParams] = useSearchParams();
  const search = Object.fromEntries(fields.map((field) => [field, params.get(field) ?? ''])) as unknown as OrderSearch;
  return <Search key={params.toString()} search={search} onSearch={(wanted) => setParams(Object.fromEntries(Object.entries(wanted).filter(([, value]) => value)))} title={t('admin.orders')} />;
}

function Search({ search, onSearch, title }: { search: OrderSearch; onSearch: (wanted: OrderSearch) => void; title: string }) {
  const { t } = useText();
  const [draft, setDraft] = useState(search);
  const [trail, setTrail] = useState<string[]>([]);
  const { data, error, isFetching, isPending } = useOrderSearch(search, trail.at(-1) ?? '');
  const set = (change: Partial<OrderSearch>) => setDraft({ ...draft, ...change });
  const columns = [
    { title: t('col.order'), render: (order: Order) => <Link to={`/admin/orders/${order.order_id}`} className="mono">{order.order_id}</Link> },
    { title: t('col.user'), render: (order: Order) => <button type="button" className="text-button mono" onClick={() => onSearch({ ...search, user: order.user_id })}>{order.user_id}</button> },
    { title: t('col.status'), render: (order: Order) => <Status status={order.status} /> },
    { title: '', render: (order: Order) => <Journey order={order} /> },
    { title: t('col.total'), align: 'right' as const, render: (order: Order) => <Money amount={order.total} /> },
    { title: t('col.placed'), render: (order: Order) => <Time at={order.created_at} detail="second" /> },
    { title: t('col.updated'), render: (order: Order) => <Time at={order.updated_at} detail="second" /> },
  ];
  return (
    <main className="page">
      <PageHead title={title} />
      <form
        className="search-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          onSearch(draft);
        }}
      >
        <label><span>{t('asearch.q')}</span><Input value={draft.q} allowClear onChange={(event) => set({ q: event.target.value })} /></label>
        <label><span>{t('asearch.user')}</span><Input value={draft.user} allowClear onChange={(event) => set({ user: event.target.value })} /></label>
        <label className="search-status">
          <span>{t('asearch.status')}</span>
          <Select
            mode="multiple"
            allowClear
            maxTagCount="responsive"
            aria-label={t('asearch.status')}
            value={draft.status ? draft.status.split(',') : []}
            onChange={(chosen: string[]) => set({ status: chosen.join(',') })}
            options={statuses.map((status) => ({ value: status, label: statusWord(status, t) }))}
          />
        </label>
        <label><span>{t('asearch.from')}</span><input className="native-input" type="datetime-local" value={draft.from} onChange={(event) => set({ from: event.target.value })} /></label>
        <label><span>{t('asearch.to')}</span><input className="native-input" type="datetime-local" value={draft.to} onChange={(event) => set({ to: event.target.value })} /></label>
        <div className="buttons">
          <Button type="primary" htmlType="submit" loading={isFetching && isPending}>{t('common.search')}</Button>
          <Button onClick={() => onSearch({ q: '', user: '', status: '', from: '', to: '' })}>{t('common.clear')}</Button>
        </div>
      </form>
      {error && <ProblemNote error={error} />}
      <Grid rows={data?.orders ?? []} rowKey="order_id" label={title} columns={columns} empty={isPending ? t('common.loading') : <Empty title={t('asearch.none')} next={t('asearch.none_next')} />} />
      <Pager trail={trail} next={data?.next_page_token ?? ''} onGo={setTrail} />
    </main>
  );
}
