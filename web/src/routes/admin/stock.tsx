// What is there, how it came there, and changing it: /admin/stock?product=
import { Button, Input, InputNumber } from 'antd';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import type { Movement, Product } from '@/api/client';
import { useMovements, useMoveStock, useOperatorName, useStock, type StockMove } from '@/features/admin/queries';
import { useProduct, useProducts } from '@/api/queries/products';
import { isKey, useText } from '@/i18n';
import { count } from '@/i18n/format';
import { Question } from '@/ui/dialog';
import { Grid } from '@/ui/grid';
import { BackIcon } from '@/ui/icons';
import { useNotices } from '@/ui/notices';
import { Pager } from '@/ui/pager';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead, Panel, Time, Waiting } from '@/ui/small';

export function Component() {
  const [params] = useSearchParams();
  const chosen = params.get('product') ?? '';
  return chosen ? <Ledger key={chosen} id={chosen} /> : <Overview />;
}

function Overview() {
  const { t, language } = useText();
  const { data, error, isPending, hasNextPage, fetchNextPage } = useProducts({});
  const products = (data?.pages ?? []).flatMap((page) => page.products);
  const number = (title: string, of: (product: Product) => number | undefined) => ({
    title,
    align: 'right' as const,
    sorter: (a: Product, b: Product) => (of(a) ?? 0) - (of(b) ?? 0),
    render: (product: Product) => <span className="money">{count(of(product) ?? 0, language)}</span>,
  });
  const columns = [
    { title: '#', render: (product: Product) => <span className="mono quiet">{product.product_id}</span> },
    { title: t('col.product'), render: (product: Product) => <Link to={`/admin/stock?product=${product.product_id}`}>{product.name}</Link> },
    number(t('col.free'), (product) => product.stock?.free),
    number(t('col.held'), (product) => product.stock?.held),
    number(t('col.on_hand'), (product) => product.stock?.on_hand),
    number(t('col.sold'), (product) => product.stock?.sold),
    number(t('col.received'), (product) => product.stock?.received),
    number(t('col.written_off'), (product) => product.stock?.written_off),
  ];
  return (
    <main className="page">
      <PageHead title={t('stock.title')}>{t('stock.pick')}</PageHead>
      {error && <ProblemNote error={error} />}
      {isPending && !error ? <Waiting rows={8} /> : <Grid rows={products} rowKey="product_id" label={t('stock.title')} columns={columns} rowClassName={(product) => ((product.stock?.free ?? 0) <= 0 ? 'row-gone' : '')} empty={<Empty title={t('products.none')} />} />}
      {hasNextPage && <div className="more"><Button onClick={() => void fetchNextPage()}>{t('products.more')}</Button></div>}
    </main>
  );
}

function Ledger({ id }: { id: string }) {
  const { t, language } = useText();
  const { data: product } = useProduct(id);
  const { data: stock, error } = useStock(id);
  const [trail, setTrail] = useState<string[]>([]);
  const ledger = useMovements(id, trail.at(-1) ?? '');
  const columns = [
    { title: t('col.time'), render: (row: Movement) => <Time at={row.at} detail="second" /> },
    { title: t('col.kind'), render: (row: Movement) => { const key = `kind.${row.kind}`; return isKey(key) ? t(key) : row.kind; } },
    { title: t('col.quantity'), align: 'right' as const, render: (row: Movement) => <span className="money">{count(row.quantity, language)}</span> },
    { title: t('col.reference'), render: (row: Movement) => (/^\d{10,}$/.test(row.reference) ? <Link className="mono" to={`/admin/orders/${row.reference}`}>{row.reference}</Link> : <span className="mono">{row.reference}</span>) },
    { title: t('col.actor'), render: (row: Movement) => row.actor },
  ];
  const numbered = (ledger.data?.movements ?? []).map((row, index) => ({ ...row, key: String(index) }));
  const holds = stock && stock.received - stock.written_off === stock.free + stock.held + stock.sold;
  const figures = ['free', 'held', 'sold', 'received', 'written_off'] as const;
  return (
    <main className="page">
      <Link to="/admin/stock" className="back"><BackIcon /> {t('stock.title')}</Link>
      <PageHead title={product?.name ?? `#${id}`} aside={stock && <MoveStock id={id} name={product?.name ?? `#${id}`} free={stock.free} />} />
      {error && <ProblemNote error={error} />}
      {stock && (
        <>
          <dl className="figures">
            {figures.map((figure) => <div key={figure} className="figure"><dt>{t(`col.${figure}`)}</dt><dd>{count(stock[figure], language)}</dd></div>)}
          </dl>
          <p className={holds ? 'proof' : 'proof proof-broken'}><span className="quiet">{t('stock.proof')}.</span> <strong>{t(holds ? 'stock.holds' : 'stock.differs')}</strong></p>
        </>
      )}
      <Panel title={t('stock.ledger')}>
        {ledger.error && <ProblemNote error={ledger.error} />}
        <Grid rows={numbered} rowKey="key" label={t('stock.ledger')} columns={columns} empty={<Empty title={t('stock.ledger_none')} />} />
        <Pager trail={trail} next={ledger.data?.next_page_token ?? ''} onGo={setTrail} />
      </Panel>
    </main>
  );
}

function MoveStock({ id, name, free }: { id: string; name: string; free: number }) {
  const { t, language } = useText();
  const say = useNotices((state) => state.say);
  const operator = useOperatorName();
  const move = useMoveStock();
  const [verb, setVerb] = useState<StockMove['verb'] | null>(null);
  const [quantity, setQuantity] = useState<number>(1);
  const [reference, setReference] = useState('');
  const close = () => {
    move.reset();
    setVerb(null);
  };
  const isReceipt = verb === 'receive';
  const after = isReceipt ? free + quantity : free - quantity;
  const key = isReceipt ? 'stock.receive' : 'stock.write_off';
  return (
    <div className="buttons">
      <Button onClick={() => setVerb('write-off')}>{t('stock.write_off')}</Button>
      <Button type="primary" onClick={() => setVerb('receive')}>{t('stock.receive')}</Button>
      <Question
        isOpen={verb !== null}
        title={t(`${key}_title`, { quantity: count(quantity, language), name })}
        explain={<>{t(`${key}_explain`, { free: count(free, language), after: count(after, language) })} {t('admin.recorded', { name: operator })}</>}
        yes={t(key)}
        isDangerous={!isReceipt}
        isBusy={move.isPending}
        onNo={close}
        onYes={() =>
          verb &&
          move.mutate(
            { productId: id, verb, quantity, reference },
            {
              onSuccess: () => {
                say(t(isReceipt ? 'stock.received_now' : 'stock.written_off_now', { quantity: count(quantity, language) }));
                setReference('');
                close();
              },
            },
          )
        }
      >
        <label className="field field-short"><span>{t('common.quantity')}</span><InputNumber min={1} max={1_000_000_000} precision={0} value={quantity} onChange={(value) => setQuantity(value ?? 1)} /></label>
        <label className="field"><span>{t('stock.reference')}</span><Input value={reference} maxLength={100} onChange={(event) => setReference(event.target.value)} /><small>{t('stock.reference_hint')}</small></label>
        {move.error && <ProblemNote error={move.error} />}
      </Question>
    </div>
  );
}
