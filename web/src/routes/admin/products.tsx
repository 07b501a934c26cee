// The catalogue for operators: /admin/products
import { Button } from 'antd';
import { useState } from 'react';
import type { Product } from '@/api/client';
import { useProducts } from '@/api/queries/products';
import { ProductForm } from '@/features/admin/product-form';
import { useBothLanguages } from '@/features/admin/queries';
import { isKey, useText } from '@/i18n';
import { Dialog } from '@/ui/dialog';
import { Grid } from '@/ui/grid';
import { useNotices } from '@/ui/notices';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, Money, PageHead, Time, Waiting } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const say = useNotices((state) => state.say);
  const { data, error, hasNextPage, fetchNextPage, isPending } = useProducts({});
  const [edited, setEdited] = useState<{ id: string | null; name: string } | null>(null);
  const both = useBothLanguages(edited?.id ?? null);
  const products = (data?.pages ?? []).flatMap((page) => page.products);
  const category = (name: string) => {
    const key = `category.${name}`;
    return isKey(key) ? t(key) : name;
  };
  const columns = [
    { title: '#', render: (product: Product) => <span className="mono quiet">{product.product_id}</span> },
    { title: '', render: (product: Product) => (product.picture ? <img className="thumb" src={product.picture} alt="" width={44} height={33} loading="lazy" /> : null) },
    { title: t('col.name'), render: (product: Product) => <button type="button" className="text-button" onClick={() => setEdited({ id: product.product_id, name: product.name })}>{product.name}</button> },
    { title: t('col.price'), align: 'right' as const, render: (product: Product) => <Money amount={product.price} /> },
    { title: t('col.category'), render: (product: Product) => category(product.category) },
    { title: t('col.on_sale'), render: (product: Product) => (product.on_sale ? t('common.yes') : <span className="alarm">{t('common.no')}</span>) },
    { title: t('col.updated'), render: (product: Product) => <Time at={product.updated_at} /> },
  ];
  const close = () => setEdited(null);
  return (
    <main className="page">
      <PageHead title={t('aproducts.title')} aside={<Button type="primary" onClick={() => setEdited({ id: null, name: '' })}>{t('aproducts.new')}</Button>} />
      {error && <ProblemNote error={error} />}
      {isPending && !error ? <Waiting rows={8} /> : <Grid rows={products} rowKey="product_id" label={t('aproducts.title')} columns={columns} empty={<Empty title={t('products.none')} />} />}
      {hasNextPage && <div className="more"><Button onClick={() => void fetchNextPage()}>{t('products.more')}</Button></div>}
      <Dialog isWide isOpen={edited !== null} onClose={close} title={edited?.id ? t('aproducts.edit', { name: edited.name }) : t('aproducts.new')}>
        {edited && (edited.id === null || both.data) && (
          <ProductForm
            key={edited.id ?? 'new'}
            id={edited.id}
            both={edited.id === null ? null : (both.data ?? null)}
            onCancel={close}
            onSaved={() => {
              say(t('aproducts.saved'));
              close();
            }}
          />
        )}
        {edited?.id && !both.data && <Waiting />}
      </Dialog>
    </main>
  );
}
