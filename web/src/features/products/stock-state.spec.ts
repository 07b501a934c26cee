import { describe, expect, it } from 'vitest';
import type { Product } from '@/api/client';
import { arrange, mostOf, stockState } from './stock-state';

const product = (product_id: string, price: number, free?: number, on_sale = true): Product =>
  ({ product_id, on_sale, price: { amount_minor: price, currency: 'CNY' }, ...(free === undefined ? {} : { stock: { free } }) }) as Product;

describe('the stock of a product', () => {
  it.each([
    [product('1', 1, 21), { kind: 'plenty' }, 21],
    [product('1', 1, 20), { kind: 'few', free: 20 }, 20],
    [product('1', 1, 1), { kind: 'few', free: 1 }, 1],
    [product('1', 1, 0), { kind: 'out' }, 0],
    [product('1', 1, -2), { kind: 'out' }, 0],
    [product('1', 1), { kind: 'unknown' }, 100_000],
    [product('1', 1, 50, false), { kind: 'off_sale' }, 0],
  ])('is told in words', (told, state, most) => {
    expect(stockState(told)).toEqual(state);
    expect(mostOf(told)).toBe(most);
  });

  it('arranges the shop', () => {
    const all = [product('a', 3, 1), product('b', 1, 0), product('c', 2, 5)];
    const ids = (products: Product[]) => products.map(({ product_id }) => product_id).join('');
    expect(ids(arrange(all, 'house', false))).toBe('abc');
    expect(ids(arrange(all, 'cheap', false))).toBe('bca');
    expect(ids(arrange(all, 'dear', true))).toBe('ac');
  });
});
