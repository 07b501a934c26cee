import { describe, expect, it } from 'vitest';
import type { Order } from '@/api/client';
import { groupNames, groupOf, groups, movesFrom } from './groups';
import { heard, newest, overlay, type LiveOrders } from './overlay';

const order = (order_id: string, version: number, status: string, created_at = `2026-01-01T00:00:0${order_id}.000Z`): Order =>
  ({ order_id, version, status, created_at }) as Order;
const live = (...orders: Order[]): LiveOrders => orders.reduce(heard, new Map() as LiveOrders);
const firstPage = { statuses: [], isFirstPage: true };
const seen = (orders: Order[]) => orders.map(({ order_id, status }) => `${order_id}:${status}`);

describe('what the stream says over what was read', () => {
  it('shows the higher version, whichever came later', () => {
    expect(newest(order('1', 2, 'confirmed'), live(order('1', 3, 'paid'))).status).toBe('paid');
    expect(newest(order('1', 4, 'shipped'), live(order('1', 3, 'paid'))).status).toBe('shipped');
  });

  it('is not led back by a repeated event', () => {
    expect([...live(order('1', 3, 'paid'), order('1', 2, 'confirmed')).values()].map(({ version }) => version)).toEqual([3]);
  });

  it('adds new orders on the first page, newest first', () => {
    expect(seen(overlay([order('2', 1, 'pending'), order('1', 1, 'pending')], live(order('3', 1, 'pending')), firstPage))).toEqual(['3:pending', '2:pending', '1:pending']);
  });

  it('does not add orders that are older than the page, nor on later pages', () => {
    expect(seen(overlay([order('5', 1, 'pending')], live(order('3', 2, 'paid')), firstPage))).toEqual(['5:pending']);
    expect(seen(overlay([order('2', 1, 'pending')], live(order('3', 1, 'pending')), { statuses: [], isFirstPage: false }))).toEqual(['2:pending']);
  });

  it('lets an order go that no longer fits the filter, and takes one in that does', () => {
    const statuses = ['paid'];
    expect(seen(overlay([order('2', 1, 'paid')], live(order('2', 2, 'shipped'), order('3', 2, 'paid')), { statuses, isFirstPage: true }))).toEqual(['3:paid']);
  });

  it('shows the first order of an empty list', () => {
    expect(seen(overlay([], live(order('1', 1, 'pending')), firstPage))).toEqual(['1:pending']);
  });

  it('keeps a bounded number of orders', () => {
    const many = Array.from({ length: 400 }, (_, index) => order(String(index), 1, 'pending'));
    const kept = live(...many);
    expect(kept.size).toBe(300);
    expect(kept.has('399')).toBe(true);
    expect(kept.has('0')).toBe(false);
  });
});

describe('the states that customers think in', () => {
  it('hold every finer state exactly once', () => {
    const all = ['pending', 'confirmed', 'paid', 'shipped', 'ship_failed', 'delivered', 'cancelled', 'returned'];
    expect(groupNames.flatMap((name) => [...groups[name]]).sort()).toEqual(all.sort());
    expect(all.map(groupOf)).not.toContain(undefined);
    expect(groupOf('confirmed')).toBe('to_pay');
  });

  it('offer only what the server would take', () => {
    expect(movesFrom('confirmed')).toEqual({ canPay: true, canCancel: true, canReturn: false });
    expect(movesFrom('shipped')).toEqual({ canPay: false, canCancel: false, canReturn: false });
    expect(movesFrom('delivered')).toEqual({ canPay: false, canCancel: false, canReturn: true });
    expect(movesFrom('something_new')).toEqual({ canPay: false, canCancel: false, canReturn: false });
  });
});
