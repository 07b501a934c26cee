// Light or dark: the reader's choice, else the system's. The choice stands on the root element, where the style sheet
// finds it.
import { useSyncExternalStore } from 'react';
import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import type { Mode } from './theme.mjs';

interface Choice {
  chosen: Mode | null;
  choose: (mode: Mode) => void;
}

const useChoice = create<Choice>()(
  persist((set) => ({ chosen: null, choose: (chosen) => set({ chosen }) }), { name: 'doos.theme' }),
);

const system = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : null;
const subscribe = (heard: () => void) => {
  system?.addEventListener('change', heard);
  return () => system?.removeEventListener('change', heard);
};

export function useMode(): { mode: Mode; choose: (mode: Mode) => void } {
  const { chosen, choose } = useChoice();
  const isDark = useSyncExternalStore(subscribe, () => system?.matches ?? false);
  return { mode: chosen ?? (isDark ? 'dark' : 'light'), choose };
}
