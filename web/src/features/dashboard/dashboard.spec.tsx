import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Order } from '@/api/client';
import type { CurrencySales } from '@/api/shapes';
import { DRAWN_EVERY_MS, isBusyNow, Latest, useFeed } from './feed';
import { filled, startOf } from './queries';
import { bucketWord } from './words';

const order = (order_id: string, status: string, version = 1): Order =>
  ({ order_id, status, version, user_id: '1', total: { amount_minor: 1, currency: 'CNY' }, updated_at: '2026-01-01T00:00:00Z' }) as Order;

describe('the latest orders', () => {
  it('show each order once, in its newest state, the last change on top', () => {
    const latest = new Latest();
    latest.note(order('1', 'pending', 1));
    latest.note(order('2', 'pending', 1));
    latest.note(order('1', 'paid', 4));
    latest.note(order('1', 'confirmed', 2));
    expect(latest.snapshot().map(({ order_id, status }) => `${order_id}:${status}`)).toEqual(['1:paid', '2:pending']);
  });

  it('are few, however many come', () => {
    const latest = new Latest();
    for (let number = 0; number < 1_000; number += 1) latest.note(order(String(number), 'pending'));
    expect(latest.snapshot()).toHaveLength(14);
  });

  it('are not followed one by one any more when too much happens, and are again when it is quiet', () => {
    expect([isBusyNow(false, 99), isBusyNow(false, 101), isBusyNow(true, 60), isBusyNow(true, 39)]).toEqual([false, true, true, false]);
  });
});

describe('drawing the feed', () => {
  class FakeSocket {
    static all: FakeSocket[] = [];
    onmessage: ((message: { data: string }) => void) | undefined;
    isClosed = false;
    constructor() {
      FakeSocket.all.push(this);
    }
    close() {
      this.isClosed = true;
    }
  }
  const says = (changed: Order) => FakeSocket.all.at(-1)?.onmessage?.({ data: JSON.stringify({ event: 'order', id: '1', data: changed }) });
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={new QueryClient()}>{children}</QueryClientProvider>;

  beforeEach(() => {
    vi.useFakeTimers();
    FakeSocket.all = [];
    vi.stubGlobal('WebSocket', FakeSocket);
    vi.stubGlobal('fetch', () => new Promise(() => undefined));
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('of the feed happens four times a second at most, at five thousand orders a second', () => {
    let drawn = 0;
    const { result } = renderHook(
      () => {
        drawn += 1;
        return useFeed({ isHeld: false, isBusy: false });
      },
      { wrapper },
    );
    const before = drawn;
    act(() => {
      for (let ms = 0; ms < 1_000; ms += 1) {
        for (let each = 0; each < 5; each += 1) says(order(`${ms}-${each}`, 'pending'));
        vi.advanceTimersByTime(1);
      }
    });
    expect(drawn - before).toBeLessThanOrEqual(4);
    act(() => void vi.advanceTimersByTime(DRAWN_EVERY_MS));
    expect(result.current.latest[0]?.order_id).toBe('999-4');
  });

  it('leaves the stream alone while too much happens', () => {
    const { rerender } = renderHook(({ isBusy }) => useFeed({ isHeld: false, isBusy }), { wrapper, initialProps: { isBusy: false } });
    expect(FakeSocket.all).toHaveLength(1);
    rerender({ isBusy: true });
    expect(FakeSocket.all[0]?.isClosed).toBe(true);
    rerender({ isBusy: false });
    expect(FakeSocket.all).toHaveLength(2);
  });

  it('stands still while it is held', () => {
    const { result, rerender } = renderHook(({ isHeld }) => useFeed({ isHeld, isBusy: false }), { wrapper, initialProps: { isHeld: true } });
    act(() => {
      says(order('1', 'paid'));
      vi.advanceTimersByTime(1_000);
    });
    expect(result.current.latest).toHaveLength(0);
    rerender({ isHeld: false });
    act(() => void vi.advanceTimersByTime(DRAWN_EVERY_MS));
    expect(result.current.latest).toHaveLength(1);
  });
});

describe('the stretches of time', () => {
  it('begin with the day of the shop', () => {
    const at = Date.parse('2026-03-01T18:30:00Z');
    const start = startOf(at, 'day', 480);
    expect(new Date(start).toISOString()).toBe('2026-03-01T16:00:00.000Z');
    expect(bucketWord(start, 'day', 'en', 480)).toBe('Mar 2');
    expect(new Date(startOf(at, 'hour', 330)).toISOString()).toBe('2026-03-01T18:30:00.000Z');
  });

  it('are shown also when nothing happened', () => {
    const now = Date.parse('2026-03-01T10:05:30Z');
    const sales = { currency: 'CNY', buckets: [{ at: '2026-03-01T10:04:00.000Z', orders: 3, sales_minor: 500 }] } as CurrencySales;
    const points = filled(sales, 'minute', now, 0);
    expect(points).toHaveLength(60);
    expect(points.at(-1)).toMatchObject({ orders: 0, sales_minor: 0 });
    expect(points.at(-2)).toMatchObject({ orders: 3, sales_minor: 500 });
    expect(filled(undefined, 'day', now, 0)).toHaveLength(30);
  });
});
