import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Message, Movement, OrderMove } from '@/api/client';
import { draftOf, minorUnits } from './product-form';
import { settleLetters } from './queries';
import { story } from './story';

describe('the story of an order', () => {
  it('is one line of time; at one instant the move comes before what it asks for', () => {
    const move = { version: 1, to: 'pending', at: '2026-01-01T00:00:00.100Z' } as OrderMove;
    const message = { message_id: 'm', at: '2026-01-01T00:00:00.100Z', order_version: 1, trace_id: 'f9a5c62ae68e856a968f9c5fd8a65dc4' } as Message;
    const movement = { reference: '1', product_id: '1', kind: 'deduct', at: '2026-01-01T00:00:00.100Z' } as Movement;
    const later = { version: 2, to: 'confirmed', at: '2026-01-01T00:00:00.107Z' } as OrderMove;
    const told = story([move, later], [message], [movement]);
    expect(told.map(({ chapter }) => chapter)).toEqual(['move', 'message', 'ledger', 'move']);
    expect(told[1]?.trace).toBe('f9a5c62ae68e856a968f9c5fd8a65dc4');
  });

  it('tells the trace of a move by the messages written with it', () => {
    const at = '2026-01-01T00:00:00Z';
    const moves = [{ version: 1, to: 'pending', at }, { version: 2, to: 'confirmed', at }] as OrderMove[];
    const message = { message_id: 'm', at, order_version: 1, trace_id: 'f9a5c62ae68e856a968f9c5fd8a65dc4' } as Message;
    const told = story(moves, [message], []).filter(({ chapter }) => chapter === 'move');
    expect(told.map(({ trace }) => trace)).toEqual(['f9a5c62ae68e856a968f9c5fd8a65dc4', undefined]);
  });
});

describe('a price typed by an operator', () => {
  it.each([
    ['99.5', 'CNY', 9_950],
    ['99.50', 'CNY', 9_950],
    ['99', 'CNY', 9_900],
    ['500', 'JPY', 500],
    ['1.234', 'KWD', 1_234],
    ['0.1', 'CNY', 10],
    ['99.999', 'CNY', null],
    ['5.5', 'JPY', null],
    ['1e3', 'CNY', null],
    ['-1', 'CNY', null],
    ['', 'CNY', null],
  ])('%s %s is %s', (text, currency, minor) => {
    expect(minorUnits(text, currency)).toBe(minor);
  });
});

describe('a changed product', () => {
  const before = { nameEn: 'A', nameZh: '甲', textEn: 'a', textZh: '甲甲', price: '1.00', currency: 'CNY', category: 'tea', picture: '', isOnSale: true };

  it('sends what was changed and nothing else', () => {
    expect(draftOf({ ...before, price: '2.00' }, before)).toEqual({ price: { amount_minor: 200, currency: 'CNY' } });
    expect(draftOf({ ...before, nameZh: '乙', isOnSale: false }, before)).toEqual({ name: { en: 'A', zh: '乙' }, on_sale: false });
    expect(draftOf(before, before)).toEqual({});
  });

  it('that is new needs its name and price', () => {
    expect(draftOf({ ...before, textEn: '', textZh: '', category: '' }, null)).toEqual({ name: { en: 'A', zh: '甲' }, price: { amount_minor: 100, currency: 'CNY' }, on_sale: true });
    expect(draftOf({ ...before, price: 'x' }, null)).toBeNull();
  });
});

describe('many dead letters', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('are settled a hundred at a time, and what failed is told', async () => {
    const called: { path: string; ids: string[] }[] = [];
    vi.stubGlobal('fetch', async (request: Request) => {
      const { ids } = (await request.json()) as { ids: string[] };
      called.push({ path: new URL(request.url).pathname, ids });
      const results = ids.map((id) => (id === '7' ? { id, done: false, code: 'not_found' } : { id, done: true }));
      return new Response(JSON.stringify({ results }), { status: 200, headers: { 'content-type': 'application/json' } });
    });
    const settled = await settleLetters('replay', Array.from({ length: 101 }, (_, number) => String(number)));
    expect(called.map(({ path, ids }) => [path, ids.length])).toEqual([
      ['/v1/admin/dead-letters:replay', 100],
      ['/v1/admin/dead-letters:replay', 1],
    ]);
    expect(settled.done).toHaveLength(100);
    expect(settled.failed).toEqual([{ id: '7', code: 'not_found' }]);
  });
});
