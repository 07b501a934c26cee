// What can be done with a product from the grid and from its own page: put in the cart, or buy at once.
import { Button } from 'antd';
import { useNavigate } from 'react-router';
import type { Product } from '@/api/client';
import { useCart } from '@/features/cart/cart';
import { mostOf } from '@/features/products/stock-state';
import { withCustomer } from '@/features/session/sign-in';
import { useText } from '@/i18n';
import { BasketIcon } from '@/ui/icons';
import { useNotices } from '@/ui/notices';

interface BuyProps {
  product: Product;
  quantity?: number;
  isLarge?: boolean;
}

export function BuyButtons({ product, quantity = 1, isLarge = false }: BuyProps) {
  const { t } = useText();
  const { put } = useCart();
  const navigate = useNavigate();
  const say = useNotices((state) => state.say);
  const isOut = mostOf(product) < 1;
  const add = () => {
    put({ product_id: product.product_id, quantity, seen: product.price });
    say(t('products.added', { name: product.name }));
  };
  const buy = () => withCustomer(() => void navigate(`/checkout?product=${product.product_id}&quantity=${quantity}`));
  return (
    <>
      <Button
        size={isLarge ? 'large' : 'middle'}
        disabled={isOut}
        icon={<BasketIcon />}
        aria-label={isLarge ? undefined : `${t('products.add')}: ${product.name}`}
        title={t('products.add')}
        onClick={add}
      >
        {isLarge ? t('products.add') : undefined}
      </Button>
      <Button size={isLarge ? 'large' : 'middle'} type="primary" disabled={isOut} aria-label={isLarge ? undefined : `${t('products.buy')}: ${product.name}`} onClick={buy}>
        {t('products.buy')}
      </Button>
    </>
  );
}
