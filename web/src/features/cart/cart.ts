// What each user has put in the cart, kept in this browser. Remembers the price seen, so that a changed one is noticed.
import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import { useCustomer } from '@/api/credentials';
import type { Amount } from '@/api/client';

export interface CartLine {
  product_id: string;
  quantity: number;
  /** What it cost when it was put in. */
  seen: Amount;
}

/** Lines of an order that the server takes at most. */
export const LINES_MAX = 100;

interface Carts {
  carts: Record<string, CartLine[]>;
  put: (user: string, line: CartLine) => void;
  set: (user: string, lines: CartLine[]) => void;
  /** What somebody without a name had collected belongs to who signs in. */
  takeOver: (user: string) => void;
}

export const NOBODY = '';

export function withLine(lines: CartLine[], line: CartLine): CartLine[] {
  const known = lines.find((each) => each.product_id === line.product_id);
  if (known) {
    return lines.map((each) => (each === known ? { ...line, quantity: each.quantity + line.quantity } : each));
  }
  return lines.length < LINES_MAX ? [...lines, line] : lines;
}

export const useCarts = create<Carts>()(
  persist(
    (set) => ({
      carts: {},
      put: (user, line) => set(({ carts }) => ({ carts: { ...carts, [user]: withLine(carts[user] ?? [], line) } })),
      set: (user, lines) => set(({ carts }) => ({ carts: { ...carts, [user]: lines } })),
      takeOver: (user) =>
        set(({ carts }) => {
          const merged = (carts[NOBODY] ?? []).reduce(withLine, carts[user] ?? []);
          return { carts: { ...carts, [user]: merged, [NOBODY]: [] } };
        }),
    }),
    { name: 'doos.carts' },
  ),
);

const NOTHING: CartLine[] = [];

export function useCart() {
  const user = useCustomer((customer) => customer.user) ?? NOBODY;
  const lines = useCarts((carts) => carts.carts[user]) ?? NOTHING;
  const { put, set } = useCarts.getState();
  return {
    user,
    lines,
    pieces: lines.reduce((sum, line) => sum + line.quantity, 0),
    put: (line: CartLine) => put(user, line),
    setQuantity: (id: string, quantity: number) => set(user, lines.map((line) => (line.product_id === id ? { ...line, quantity } : line))),
    remove: (id: string) => set(user, lines.filter((line) => line.product_id !== id)),
    replace: (replaced: CartLine[]) => set(user, replaced),
    clear: () => set(user, []),
  };
}
