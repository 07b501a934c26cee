import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Problem } from '@/api/problem';
import { useLanguage } from '@/i18n';
import { Question } from './dialog';
import { updateCSS, removeCSS } from './dynamic-css';
import { Journey, reached } from './journey';
import { Pager } from './pager';
import { ProblemNote } from './problem-note';
import { Quantity } from './quantity';
import { palettes } from './theme.mjs';

beforeEach(() => useLanguage.setState({ language: 'en' }));

describe('a problem', () => {
  it('says what happened, what to do, and what to report', () => {
    render(<ProblemNote error={new Problem({ code: 'overloaded', trace_id: 'abc' }, 503)} />);
    expect(screen.getByRole('alert').textContent).toContain('The shop is very busy');
    expect(screen.getByText('Code overloaded').getAttribute('href')).toBe('/docs/errors/overloaded');
    expect(screen.getByText('Trace abc')).toBeTruthy();
  });

  it('of a code that is younger than the page shows the words of the server', () => {
    render(<ProblemNote error={new Problem({ code: 'brand_new', title: 'A new thing', detail: 'Do this.' }, 409)} />);
    expect(screen.getByText('A new thing')).toBeTruthy();
    expect(screen.getByText('Do this.')).toBeTruthy();
  });

  it('speaks the language of the reader', () => {
    useLanguage.setState({ language: 'zh' });
    render(<ProblemNote error={new Problem({ code: 'out_of_stock' }, 409)} />);
    expect(screen.getByText('库存不足')).toBeTruthy();
  });
});

describe('the line of stations', () => {
  const history = (...states: string[]) => states.map((to) => ({ to }));

  it.each([
    ['pending', history('pending'), 0, false],
    ['ship_failed', history('pending', 'confirmed', 'paid', 'ship_failed'), 2, false],
    ['delivered', history('delivered'), 4, false],
    ['cancelled', history('pending', 'confirmed', 'paid', 'cancelled'), 2, true],
    ['cancelled', history('pending', 'cancelled'), 0, true],
    ['returned', history('delivered', 'returned'), 4, true],
  ])('of a %s order', (status, moves, at, hasLeft) => {
    expect(reached({ status, history: moves })).toEqual({ at, hasLeft });
  });

  it('is told in words', () => {
    render(<Journey order={{ status: 'paid', history: [] }} />);
    expect(screen.getByRole('img').getAttribute('aria-label')).toBe('Paid, station 3 of 5');
  });
});

describe('a question', () => {
  it('does nothing until it is answered with yes', async () => {
    const yes = vi.fn();
    const no = vi.fn();
    render(<Question title="Discard?" explain="For good." yes="Discard" isDangerous isOpen onYes={yes} onNo={no} />);
    await userEvent.click(screen.getByRole('button', { name: 'Never mind' }));
    expect([yes.mock.calls.length, no.mock.calls.length]).toEqual([0, 1]);
    await userEvent.click(screen.getByRole('button', { name: 'Discard' }));
    expect(yes).toHaveBeenCalledOnce();
  });

  it('is not answered with no by the page that closes it', () => {
    const no = vi.fn();
    const question = (isOpen: boolean) => <Question title="Discard?" explain="For good." yes="Discard" isOpen={isOpen} onYes={vi.fn()} onNo={no} />;
    const { rerender } = render(question(true));
    rerender(question(false));
    expect(no).not.toHaveBeenCalled();
  });
});

describe('a quantity', () => {
  it('stays between one and what there is', async () => {
    const change = vi.fn();
    render(<Quantity value={2} most={3} label="Quantity" onChange={change} />);
    await userEvent.click(screen.getByRole('button', { name: 'One more' }));
    expect(change).toHaveBeenLastCalledWith(3);
    await userEvent.type(screen.getByRole('textbox'), '9');
    expect(change).toHaveBeenLastCalledWith(3);
    await userEvent.clear(screen.getByRole('textbox'));
    expect(change).toHaveBeenLastCalledWith(1);
  });
});

describe('pages of a list', () => {
  it('go forward by the token and back by memory', async () => {
    const go = vi.fn();
    const { rerender } = render(<Pager trail={['a']} next="b" onGo={go} />);
    await userEvent.click(screen.getByRole('button', { name: 'Next page' }));
    expect(go).toHaveBeenLastCalledWith(['a', 'b']);
    await userEvent.click(screen.getByRole('button', { name: 'Previous page' }));
    expect(go).toHaveBeenLastCalledWith([]);
    rerender(<Pager trail={[]} next="" onGo={go} />);
    expect(screen.queryByRole('navigation')).toBeNull();
  });
});

describe('styles made at run time', () => {
  it('never become an element of the page', () => {
    const before = document.querySelectorAll('style').length;
    updateCSS('body{overflow:hidden}', 'lock');
    expect(document.querySelectorAll('style').length).toBe(before);
    expect(() => removeCSS('lock')).not.toThrow();
  });
});

describe('the palette', () => {
  const channel = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = (hex: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => channel(Number.parseInt(hex.slice(at, at + 2), 16) / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const pairs = [
    ['ink', 'ground'], ['ink', 'sheet'], ['ink', 'sunk'], ['soft', 'ground'], ['soft', 'sheet'], ['soft', 'sunk'],
    ['accent', 'sheet'], ['accent', 'accent-wash'], ['accent-ink', 'accent'], ['clay', 'sheet'], ['clay', 'clay-wash'],
    ['ochre', 'ochre-wash'], ['blue', 'blue-wash'], ['plum', 'plum-wash'], ['ground', 'clay'],
  ] as const;

  it.each(['light', 'dark'] as const)('can be read in the %s theme', (mode) => {
    const palette = palettes[mode];
    for (const [text, ground] of pairs) {
      expect(contrast(palette[text] ?? '', palette[ground] ?? ''), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});
