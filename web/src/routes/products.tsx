// The shop: /products?q=&category=&sort=&stock=1
import { Button } from 'antd';
import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { useProducts } from '@/api/queries/products';
import { ProductCard } from '@/features/products/product-card';
import { arrange, type Sort } from '@/features/products/stock-state';
import { Toolbar, type ShopFilter } from '@/features/products/toolbar';
import { useText } from '@/i18n';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead } from '@/ui/small';
import { BuyButtons } from './shopping';

const sorts: readonly string[] = ['house', 'cheap', 'dear'];

function useShopFilter(): [ShopFilter, (change: Partial<ShopFilter>) => void] {
  const [params, setParams] = useSearchParams();
  const sort = params.get('sort') ?? '';
  const filter: ShopFilter = {
    q: params.get('q') ?? '',
    category: params.get('category') ?? '',
    sort: (sorts.includes(sort) ? sort : 'house') as Sort,
    inStock: params.get('stock') === '1',
  };
  const change = useCallback(
    (wanted: Partial<ShopFilter>) =>
      setParams(
        () => {
          // From the address as it is now: the page may still be drawing the choice before this one.
          const next = new URLSearchParams(window.location.search);
          const put = (name: string, value: string) => (value ? next.set(name, value) : next.delete(name));
          if (wanted.q !== undefined) put('q', wanted.q.trim());
          if (wanted.category !== undefined) put('category', wanted.category);
          if (wanted.sort !== undefined) put('sort', wanted.sort === 'house' ? '' : wanted.sort);
          if (wanted.inStock !== undefined) put('stock', wanted.inStock ? '1' : '');
          return next;
        },
        { replace: true },
      ),
    [setParams],
  );
  return [filter, change];
}

export function ProductsPage() {
  const { t } = useText();
  const [filter, change] = useShopFilter();
  const query = useProducts({ q: filter.q, category: filter.category });
  const everything = useProducts({});
  const categories = useMemo(
    () => [...new Set((everything.data?.pages ?? []).flatMap((page) => page.products).map((product) => product.category))].filter(Boolean),
    [everything.data],
  );
  const products = arrange((query.data?.pages ?? []).flatMap((page) => page.products), filter.sort, filter.inStock);
  return (
    <main className="page page-shop">
      <PageHead title={t('products.title')} aside={query.data && <span className="quiet">{t('products.found', { count: products.length })}</span>} />
      <Toolbar filter={filter} categories={categories} onChange={change} />
      {query.error && <ProblemNote error={query.error} actions={<Button onClick={() => void query.refetch()}>{t('common.retry')}</Button>} />}
      {query.isPending && !query.error && <GridInWaiting />}
      {query.data && products.length === 0 && (
        <Empty
          title={t('products.none')}
          next={t('products.none_next')}
          action={<Button onClick={() => change({ q: '', category: '', inStock: false })}>{t('products.show_all')}</Button>}
        />
      )}
      <ul className="grid">
        {products.map((product) => (
          <ProductCard key={product.product_id} product={product} actions={<BuyButtons product={product} />} />
        ))}
      </ul>
      {query.hasNextPage && (
        <div className="more">
          <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>{t('products.more')}</Button>
        </div>
      )}
    </main>
  );
}

function GridInWaiting() {
  const { t } = useText();
  return (
    <ul className="grid" aria-busy="true" aria-label={t('common.loading')}>
      {Array.from({ length: 8 }, (_, index) => <li key={index} className="card card-waiting" />)}
    </ul>
  );
}
