import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { useLanguage } from '@/i18n';
import type { CartLine } from './cart';
import { Checkout } from './checkout';

const product = { product_id: '1', name: 'Gaiwan', description: '', price: { amount_minor: 9_999, currency: 'CNY' }, category: 'tea', on_sale: true, version: 1, updated_at: '' };

interface Sent {
  key: string | null;
  body: { items: { quantity: number; price: string }[]; coupon?: string };
}

describe('the checkout', () => {
  let sent: Sent[] = [];
  let answers: (() => Response)[] = [];
  const placed = vi.fn();
  const refuse = (status: number, problem: object, headers: Record<string, string> = {}) => () =>
    new Response(JSON.stringify({ trace_id: 'f00d', ...problem }), { status, headers: { 'content-type': 'application/problem+json', ...headers } });
  const accept = () => new Response(JSON.stringify({ order_id: '77' }), { status: 201, headers: { 'content-type': 'application/json' } });

  beforeEach(() => {
    useLanguage.setState({ language: 'en' });
    sent = [];
    placed.mockClear();
    vi.stubGlobal('fetch', async (request: Request) => {
      if (request.method === 'GET') return new Response(JSON.stringify(product), { headers: { 'content-type': 'application/json' } });
      sent.push({ key: request.headers.get('idempotency-key'), body: (await request.json()) as Sent['body'] });
      return (answers[sent.length - 1] ?? accept)();
    });
  });
  afterEach(() => vi.unstubAllGlobals());

  function Under() {
    const [lines, setLines] = useState<CartLine[]>([{ product_id: '1', quantity: 3, seen: { amount_minor: 9_000, currency: 'CNY' } }]);
    return <Checkout user="mei" lines={lines} onLines={setLines} onPlaced={placed} />;
  }
  const open = () =>
    render(
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <Under />
      </QueryClientProvider>,
    );
  const press = async (name: RegExp) => userEvent.click(await screen.findByRole('button', { name }));

  it('sends the price seen, and hands over the order', async () => {
    answers = [accept];
    open();
    await press(/Place the order/);
    await waitFor(() => expect(placed).toHaveBeenCalledWith({ order_id: '77' }));
    expect(sent[0]?.body.items).toEqual([{ product_id: '1', quantity: 3, price: '90.00' }]);
    expect(sent[0]?.key).toMatch(/^[0-9a-f]{32}$/);
  });

  it('offers what is left when stock is short, and orders that under another key', async () => {
    answers = [refuse(409, { code: 'out_of_stock', lines: [{ product_id: '1', wanted: 3, free: 2 }] }), accept];
    open();
    await press(/Place the order/);
    expect(await screen.findByText('Gaiwan: 3 wanted, 2 free')).toBeTruthy();
    expect(screen.getByText('Trace f00d')).toBeTruthy();
    await press(/Take what is there/);
    await press(/Place the order/);
    await waitFor(() => expect(placed).toHaveBeenCalled());
    expect(sent[1]?.body.items[0]?.quantity).toBe(2);
    expect(sent[1]?.key).not.toBe(sent[0]?.key);
  });

  it('goes on with the new price only when told to', async () => {
    answers = [refuse(409, { code: 'price_changed' }), accept];
    open();
    await press(/Place the order · ¥270.00/);
    await press(/Go on with the new prices/);
    await press(/Place the order · ¥299.97/);
    await waitFor(() => expect(placed).toHaveBeenCalled());
    expect(sent[1]?.body.items[0]?.price).toBe('99.99');
  });

  it('waits as long as the server asks', async () => {
    answers = [refuse(429, { code: 'rate_limited' }, { 'retry-after': '7' }), accept];
    open();
    await press(/Place the order/);
    const button = await screen.findByRole('button', { name: /Possible again in/ });
    expect((button as HTMLButtonElement).disabled).toBe(true);
    expect(screen.getByText('Nothing was done. Wait a moment, then press again.')).toBeTruthy();
  });
});
