import type { ThemeConfig } from 'antd';
export type Mode = 'light' | 'dark';
type Algorithm = NonNullable<ThemeConfig['algorithm']>;
export const type: { sans: string; serif: string; mono: string };
export const palettes: Record<Mode, Record<string, string>>;
export function cssKey(mode: Mode): string;
export function antTheme(mode: Mode, algorithms: { light: Algorithm; dark: Algorithm }): ThemeConfig;
