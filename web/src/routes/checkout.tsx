// Checkout of the cart, or of one product bought at once: /checkout?product=&quantity=
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { Button } from 'antd';
import { useCustomer } from '@/api/credentials';
import { useProduct } from '@/api/queries/products';
import { useCart, type CartLine } from '@/features/cart/cart';
import { Checkout } from '@/features/cart/checkout';
import { noteOrder } from '@/features/orders/live';
import { askWho } from '@/features/session/sign-in';
import { useText } from '@/i18n';
import { ProblemNote } from '@/ui/problem-note';
import { Empty, PageHead, Waiting } from '@/ui/small';

export function Component() {
  const { t } = useText();
  const [params] = useSearchParams();
  const user = useCustomer((customer) => customer.user);
  const product = params.get('product');
  const quantity = Math.max(1, Math.floor(Number(params.get('quantity'))) || 1);
  return (
    <main className="page">
      <PageHead title={t('checkout.title')}>{user && t('user.current', { user })}</PageHead>
      {!user && <Empty title={t('user.title')} next={t('user.needed_next')} action={<Button type="primary" onClick={() => askWho()}>{t('user.sign_in')}</Button>} />}
      {user && product && <BuyNow key={user + product} user={user} id={product} quantity={quantity} />}
      {user && !product && <OfCart key={user} user={user} />}
    </main>
  );
}

function BuyNow({ user, id, quantity }: { user: string; id: string; quantity: number }) {
  const { data: product, error } = useProduct(id);
  const navigate = useNavigate();
  const [changed, setChanged] = useState<CartLine[]>();
  if (error && !product) return <ProblemNote error={error} />;
  if (!product) return <Waiting />;
  const lines = changed ?? [{ product_id: id, quantity, seen: product.price }];
  return (
    <Checkout
      user={user}
      lines={lines}
      onLines={setChanged}
      onPlaced={(order) => {
        noteOrder(order);
        void navigate(`/orders/${order.order_id}`, { replace: true });
      }}
    />
  );
}

function OfCart({ user }: { user: string }) {
  const { t } = useText();
  const navigate = useNavigate();
  const cart = useCart();
  if (cart.lines.length === 0) {
    return <Empty title={t('checkout.nothing')} action={<Link className="button-link" to="/products">{t('common.to_shop')}</Link>} />;
  }
  return (
    <Checkout
      user={user}
      lines={cart.lines}
      onLines={cart.replace}
      onPlaced={(order) => {
        noteOrder(order);
        void navigate(`/orders/${order.order_id}`, { replace: true });
        cart.clear();
      }}
    />
  );
}
