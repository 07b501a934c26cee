// What a shopper wants to know about stock: is there enough, is it running out, is it gone.
import type { Product } from '@/api/client';

const FEW = 20;

export type StockState = { kind: 'plenty' | 'out' | 'unknown' | 'off_sale' } | { kind: 'few'; free: number };

export function stockState(product: Product): StockState {
  if (!product.on_sale) return { kind: 'off_sale' };
  const free = product.stock?.free;
  if (free === undefined) return { kind: 'unknown' };
  if (free <= 0) return { kind: 'out' };
  return free <= FEW ? { kind: 'few', free } : { kind: 'plenty' };
}

/** How many can be put in the cart; without a word about stock the server decides. */
export function mostOf(product: Product): number {
  return product.on_sale ? Math.max(0, product.stock?.free ?? 100_000) : 0;
}

export type Sort = 'house' | 'cheap' | 'dear';

export function arrange(products: Product[], sort: Sort, isInStockOnly: boolean): Product[] {
  const shown = isInStockOnly ? products.filter((product) => mostOf(product) > 0) : [...products];
  if (sort === 'house') return shown;
  const direction = sort === 'cheap' ? 1 : -1;
  return shown.sort((a, b) => direction * (a.price.amount_minor - b.price.amount_minor));
}
