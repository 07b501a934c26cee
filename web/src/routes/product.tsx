// One product: /products/:id
import { Button } from 'antd';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import { useProduct } from '@/api/queries/products';
import { Picture, StockWord } from '@/features/products/product-card';
import { mostOf } from '@/features/products/stock-state';
import { isKey, useText } from '@/i18n';
import { count } from '@/i18n/format';
import { BackIcon } from '@/ui/icons';
import { ProblemNote } from '@/ui/problem-note';
import { Quantity } from '@/ui/quantity';
import { Money, PageHead, Waiting } from '@/ui/small';
import { BuyButtons } from './shopping';

export function Component() {
  const { t, language } = useText();
  const { id = '' } = useParams();
  const { data: product, error, refetch } = useProduct(id);
  const [quantity, setQuantity] = useState(1);
  const categoryKey = `category.${product?.category ?? ''}`;
  return (
    <main className="page">
      <Link to="/products" className="back"><BackIcon /> {t('products.back')}</Link>
      {error && <ProblemNote error={error} actions={<Button onClick={() => void refetch()}>{t('common.retry')}</Button>} />}
      {!product && !error && <Waiting rows={8} />}
      {product && (
        <article className="product">
          <Picture product={product} isEager />
          <div className="product-words">
            <PageHead title={product.name} />
            <p className="product-text">{product.description}</p>
            <p className="product-price"><Money amount={product.price} /> <StockWord product={product} /></p>
            <div className="product-buy">
              <Quantity value={quantity} onChange={setQuantity} most={Math.max(1, mostOf(product))} label={t('common.quantity')} />
              <BuyButtons product={product} quantity={quantity} isLarge />
            </div>
            <dl className="facts">
              <dt>{t('products.category')}</dt>
              <dd>{isKey(categoryKey) ? t(categoryKey) : product.category}</dd>
              {product.stock && (
                <>
                  <dt>{t('products.free')}</dt>
                  <dd>{count(product.stock.free, language)}</dd>
                </>
              )}
              <dt>{t('products.number')}</dt>
              <dd className="mono">{product.product_id}</dd>
            </dl>
          </div>
        </article>
      )}
    </main>
  );
}
