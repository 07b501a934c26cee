// The lines of the cart as a list that can be changed.
import { Link } from 'react-router';
import type { Product } from '@/api/client';
import { useProduct } from '@/api/queries/products';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { TrashIcon } from '@/ui/icons';
import { Quantity } from '@/ui/quantity';
import { Money } from '@/ui/small';
import type { CartLine } from './cart';

interface LineProps {
  line: CartLine;
  onQuantity: (quantity: number) => void;
  onRemove: () => void;
}

function trouble(line: CartLine, product: Product): 'gone' | 'too_many' | null {
  if (!product.on_sale) return 'gone';
  return product.stock && product.stock.free < line.quantity ? 'too_many' : null;
}

export function CartRow({ line, onQuantity, onRemove }: LineProps) {
  const { t } = useText();
  const { data: product } = useProduct(line.product_id);
  const name = product?.name ?? `#${line.product_id}`;
  const price = product?.price ?? line.seen;
  const problem = product && trouble(line, product);
  const hasNewPrice = price.amount_minor !== line.seen.amount_minor || price.currency !== line.seen.currency;
  return (
    <li className="cart-row" data-product={line.product_id}>
      {product?.picture ? <img src={product.picture} alt="" width={96} height={72} /> : <span className="picture-none" aria-hidden="true" />}
      <div className="cart-words">
        <Link to={`/products/${line.product_id}`}>{name}</Link>
        <span className="cart-unit">
          <Money amount={price} />
          {hasNewPrice && <em className="alarm">{' '}<PriceWas line={line} /></em>}
        </span>
        {problem === 'gone' && <em className="alarm">{t('cart.gone')}</em>}
        {problem === 'too_many' && <em className="alarm">{t('cart.too_many', { count: Math.max(0, product?.stock?.free ?? 0) })}</em>}
      </div>
      <Quantity value={line.quantity} onChange={onQuantity} label={`${t('common.quantity')}: ${name}`} />
      <span className="cart-sum"><Money amount={{ ...price, amount_minor: price.amount_minor * line.quantity }} /></span>
      <button type="button" className="quiet-button" aria-label={t('cart.remove', { name })} onClick={onRemove}><TrashIcon /></button>
    </li>
  );
}

function PriceWas({ line }: { line: CartLine }) {
  const { t, language } = useText();
  return <>{t('cart.price_was', { price: money(line.seen, language) })}</>;
}
