// One product of the shop's grid.
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { Product } from '@/api/client';
import { useText } from '@/i18n';
import { Money } from '@/ui/small';
import { stockState } from './stock-state';

export function StockWord({ product }: { product: Product }) {
  const { t } = useText();
  const state = stockState(product);
  const words = {
    plenty: () => t('products.plenty'),
    few: () => t('products.few', { count: state.kind === 'few' ? state.free : 0 }),
    out: () => t('products.out'),
    unknown: () => t('products.unknown_stock'),
    off_sale: () => t('products.off_sale'),
  };
  return <span className={`stock stock-${state.kind}`}>{words[state.kind]()}</span>;
}

export function Picture({ product, isEager = false }: { product: Product; isEager?: boolean }) {
  if (!product.picture) return <div className="picture picture-none" aria-hidden="true">{product.name.slice(0, 1)}</div>;
  return <img className="picture" src={product.picture} alt="" width={480} height={360} loading={isEager ? 'eager' : 'lazy'} />;
}

export function ProductCard({ product, actions }: { product: Product; actions: ReactNode }) {
  const isOut = ['out', 'off_sale'].includes(stockState(product).kind);
  return (
    <li className={`card ${isOut ? 'card-out' : ''}`} data-product={product.product_id}>
      <Picture product={product} />
      <div className="card-words">
        <h2 className="card-name">
          <Link to={`/products/${product.product_id}`}>{product.name}</Link>
        </h2>
        <p className="card-text">{product.description}</p>
      </div>
      <div className="card-foot">
        <div className="card-price">
          <Money amount={product.price} />
          <StockWord product={product} />
        </div>
        <div className="card-actions">{actions}</div>
      </div>
    </li>
  );
}
