// Who calls. A customer of the demo is a name that the server resolves; an operator is a bearer token, kept for this
// tab only, or a cookie that no script can read. What must never happen: a token in storage that outlives the tab.
import { create } from 'zustand';
import { persist } from 'zustand/middleware';

export type OperatorBy = 'token' | 'cookie';

interface Customer {
  /** The log-in name, or the number, of who is shopping. */
  user: string | null;
  /** Names used in this browser, latest first. */
  known: string[];
  signIn: (user: string) => void;
  signOut: () => void;
}

const KNOWN_MAX = 6;

export const useCustomer = create<Customer>()(
  persist(
    (set) => ({
      user: null,
      known: [],
      signIn: (user) =>
        set(({ known }) => ({ user, known: [user, ...known.filter((name) => name !== user)].slice(0, KNOWN_MAX) })),
      signOut: () => set({ user: null }),
    }),
    { name: 'doos.customer' },
  ),
);

const TOKEN_KEY = 'doos.token';

interface Operator {
  token: string | null;
  by: OperatorBy | null;
  name: string | null;
  enter: (by: OperatorBy, name: string, token?: string) => void;
  leave: () => void;
}

/** The name in a token, for showing only: the server alone says whether it is true. */
export function nameInToken(token: string): string | null {
  try {
    const payload = token.split('.')[1] ?? '';
    const claims: unknown = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
    const isNamed = typeof claims === 'object' && claims !== null && 'sub' in claims && 'kind' in claims;
    return isNamed && claims.kind === 'operator' ? String(claims.sub) : null;
  } catch {
    return null;
  }
}

const kept = () => {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const name = token ? nameInToken(token) : null;
  return token && name ? { token, name, by: 'token' as const } : { token: null, name: null, by: null };
};

export const useOperator = create<Operator>()((set) => ({
  ...kept(),
  enter: (by, name, token) => {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    set({ by, name, token: token ?? null });
  },
  leave: () => {
    sessionStorage.removeItem(TOKEN_KEY);
    set({ by: null, name: null, token: null });
  },
}));

/** The operator's token counts in the console only: in the shop an operator shops as the customer it has named. */
export const bearer = (): string | null =>
  location.pathname.startsWith('/admin') || location.pathname.startsWith('/dashboard') ? useOperator.getState().token : null;
