import { beforeEach, describe, expect, it } from 'vitest';
import { LINES_MAX, NOBODY, useCarts, withLine, type CartLine } from './cart';
import { sums } from './totals';

const seen = { amount_minor: 9_999, currency: 'CNY' };
const line = (product_id: string, quantity = 1): CartLine => ({ product_id, quantity, seen });

describe('the cart', () => {
  beforeEach(() => useCarts.setState({ carts: {} }));

  it('adds up what is put in twice, at the price seen last', () => {
    const dearer = { amount_minor: 12_000, currency: 'CNY' };
    expect(withLine([line('1', 2)], { product_id: '1', quantity: 3, seen: dearer })).toEqual([{ product_id: '1', quantity: 5, seen: dearer }]);
  });

  it('holds no more lines than an order', () => {
    const full = Array.from({ length: LINES_MAX }, (_, index) => line(String(index)));
    expect(withLine(full, line('more'))).toHaveLength(LINES_MAX);
  });

  it('belongs to its user', () => {
    const { put } = useCarts.getState();
    put('mei', line('1'));
    put('tomas', line('2'));
    expect(useCarts.getState().carts).toEqual({ mei: [line('1')], tomas: [line('2')] });
  });

  it('of nobody goes to who signs in', () => {
    const { put, takeOver } = useCarts.getState();
    put(NOBODY, line('1', 2));
    put('mei', line('1'));
    takeOver('mei');
    expect(useCarts.getState().carts).toEqual({ mei: [line('1', 3)], [NOBODY]: [] });
  });

  it('is still there after a reload', () => {
    useCarts.getState().put('mei', line('1'));
    const kept = JSON.parse(localStorage.getItem('doos.carts') ?? '{}') as { state: { carts: unknown } };
    expect(kept.state.carts).toEqual({ mei: [line('1')] });
  });

  it('never adds two currencies', () => {
    const yen: CartLine = { product_id: '9', quantity: 2, seen: { amount_minor: 500, currency: 'JPY' } };
    expect(sums([line('1', 2), yen, line('2')], (each) => each.seen)).toEqual([
      { currency: 'CNY', amount_minor: 29_997 },
      { currency: 'JPY', amount_minor: 1_000 },
    ]);
  });
});
