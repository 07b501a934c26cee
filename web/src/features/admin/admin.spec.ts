import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Message, Movement, OrderMove } from '@/api/client';
import { draftOf, minorUnits } from './product-form';
import { settleLetters } from './queries';
import { story, traceOf } from './story';

describe('the story of an order', () => {
  it('is one line of time; at one instant the move comes before what it asks for', () => {
    const move = { version: 1, to: 'pending', at: '2026-01-01T00:00:00.100Z' } as OrderMove;
    const message = { message_id: 'm', at: '2026-01-01T00:00:00.100Z', trace: '00-f9a5c62ae68e856a968f9c5fd8a65dc4-d6e5491a0db420f8-00' } as Message;
    const movement = { reference: '1', product_id: '1', kind: 'deduct', at: '2026-01-01T00:00:00.100Z' } as Movement;
    const later = { version: 2, to: 'confirmed', at: '2026-01-01T00:00:00.107Z' } as OrderMove;
    const told = story([move, later], [message], [movement]);
    expect(told.map(({ chapter }) => chapter)).toEqual(['move', 'message', 'ledger', 'move']);
    expect(told[1]?.trace).toBe('f9a5c62ae68e856a968f9c5fd8a65dc4');
  });

  it('has no trace where there is none', () => {
    expect(traceOf(null)).toBeUndefined();
    expect(traceOf('nonsense')).toBeUndefined();
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

  it('are settled one by one, and what failed is told', async () => {
    const called: string[] = [];
    vi.stubGlobal('fetch', (request: Request) => {
      called.push(new URL(request.url).pathname);
      const isGone = request.url.includes('gone');
      const body = isGone ? { code: 'not_found' } : { id: 'x' };
      return Promise.resolve(new Response(JSON.stringify(body), { status: isGone ? 404 : 200, headers: { 'content-type': 'application/json' } }));
    });
    const settled = await settleLetters('replay', ['a/1', 'gone', 'b.2']);
    expect(called).toContain('/v1/admin/dead-letters/a%2F1:replay');
    expect(settled.done.sort()).toEqual(['a/1', 'b.2']);
    expect(settled.failed).toEqual([{ id: 'gone', code: 'not_found' }]);
  });
});
