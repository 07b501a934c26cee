import { describe, expect, it } from 'vitest';
import { en } from './en';
import { decimal, duration, money, moneyShort, time } from './format';
import { isKey, preferred, translate } from './index';
import { zh } from './zh';

describe('the dictionaries', () => {
  it('take the same words in both languages', () => {
    const words = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
    for (const key of Object.keys(en)) {
      if (!isKey(key)) throw new Error(key);
      expect(words(zh[key]), key).toEqual(words(en[key]));
      expect(zh[key].trim(), key).not.toBe('');
    }
  });

  it('say for every problem what to do next', () => {
    const problems = Object.keys(en).filter((key) => key.startsWith('p.'));
    expect(problems.length).toBeGreaterThan(25);
    for (const key of problems) expect(isKey(key.replace('p.', 'n.')), key).toBe(true);
  });

  it('put words into a text', () => {
    expect(translate('en', 'products.few', { count: 3 })).toBe('Only 3 left');
    expect(translate('zh', 'products.few', { count: 3 })).toBe('仅剩 3 件');
  });

  it('have words for one of a thing where they differ', () => {
    expect(translate('en', 'books.bad', { count: 1 })).toBe('1 difference');
    expect(translate('en', 'books.bad', { count: '1' })).toBe('1 difference');
    expect(translate('en', 'books.bad', { count: 11 })).toBe('11 differences');
    expect(translate('en', 'products.few', { count: 1 })).toBe('Only 1 left');
  });

  it('follow the browser where the reader has not chosen', () => {
    expect(preferred(['zh-TW', 'en'])).toBe('zh');
    expect(preferred(['fr', 'zh-CN'])).toBe('zh');
    expect(preferred(['en-GB', 'zh'])).toBe('en');
    expect(preferred(['fr'])).toBe('en');
  });
});

describe('amounts', () => {
  it.each([
    [9_999, 'CNY', '99.99'],
    [5, 'CNY', '0.05'],
    [-5, 'EUR', '-0.05'],
    [9_999, 'JPY', '9999'],
    [1_234, 'KWD', '1.234'],
    [9_007_199_254_740_991, 'CNY', '90071992547409.91'],
  ])('%i of %s are %s', (amount_minor, currency, text) => {
    expect(decimal({ amount_minor, currency })).toBe(text);
  });

  it('are written by their currency and the language', () => {
    expect(money({ amount_minor: 123_456, currency: 'CNY' }, 'en')).toBe('¥1,234.56');
    expect(money({ amount_minor: 9_007_199_254_740_991, currency: 'CNY' }, 'zh')).toBe('¥90,071,992,547,409.91');
    expect(money({ amount_minor: 500, currency: 'JPY' }, 'en')).toBe('¥500');
    expect(moneyShort({ amount_minor: 120_000_000, currency: 'CNY' }, 'zh')).toBe('¥120万');
  });
});

describe('times', () => {
  it('are short today and carry the day before', () => {
    expect(time(new Date(), 'en')).toMatch(/^\d\d:\d\d$/);
    expect(time('2020-03-01T09:30:00Z', 'en')).toContain('Mar 1, 2020');
    expect(time('nonsense', 'en')).toBe('nonsense');
  });

  it('say how long something took', () => {
    expect(duration(340, 'en')).toBe('340 ms');
    expect(duration(2_140, 'en')).toBe('2.1 sec');
    expect(duration(720_000, 'zh')).toBe('12分钟');
  });
});
