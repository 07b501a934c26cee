// The cart: /cart
import { Button } from 'antd';
import { Link, useNavigate } from 'react-router';
import { useCart } from '@/features/cart/cart';
import { CartRow } from '@/features/cart/lines';
import { sums, useLineProducts } from '@/features/cart/totals';
import { withCustomer } from '@/features/session/sign-in';
import { useText } from '@/i18n';
import { money } from '@/i18n/format';
import { Empty, PageHead, Panel } from '@/ui/small';

export function Component() {
  const { t, language } = useText();
  const navigate = useNavigate();
  const cart = useCart();
  const { products } = useLineProducts(cart.lines);
  const priceOf = (id: string) => products.get(id)?.price;
  const hasNewPrices = cart.lines.some((line) => {
    const price = priceOf(line.product_id);
    return price && price.amount_minor !== line.seen.amount_minor;
  });
  const takePrices = () => cart.replace(cart.lines.map((line) => ({ ...line, seen: priceOf(line.product_id) ?? line.seen })));
  if (cart.lines.length === 0) {
    return (
      <main className="page">
        <PageHead title={t('cart.title')} />
        <Empty title={t('cart.empty')} next={t('cart.empty_next')} action={<Link className="button-link" to="/products">{t('common.to_shop')}</Link>} />
      </main>
    );
  }
  return (
    <main className="page">
      <PageHead title={t('cart.title')} aside={<Button onClick={cart.clear}>{t('cart.clear')}</Button>}>
        {cart.user && t('cart.of', { user: cart.user })}
      </PageHead>
      <div className="two-columns">
        <Panel>
          <ul className="cart-rows">
            {cart.lines.map((line) => (
              <CartRow
                key={line.product_id}
                line={line}
                onQuantity={(quantity) => cart.setQuantity(line.product_id, quantity)}
                onRemove={() => cart.remove(line.product_id)}
              />
            ))}
          </ul>
        </Panel>
        <Panel className="cart-total">
          {hasNewPrices && (
            <div className="inline-note">
              <p>{t('cart.prices_changed')}</p>
              <Button size="small" onClick={takePrices}>{t('cart.accept_prices')}</Button>
            </div>
          )}
          <p className="summary-total">
            <span>{t('cart.total')}</span>
            <strong className="money">{sums(cart.lines, (line) => priceOf(line.product_id) ?? line.seen).map((amount) => money(amount, language)).join(' + ')}</strong>
          </p>
          <Button type="primary" size="large" block disabled={hasNewPrices} onClick={() => withCustomer(() => void navigate('/checkout'))}>{t('cart.checkout')}</Button>
        </Panel>
      </div>
    </main>
  );
}
