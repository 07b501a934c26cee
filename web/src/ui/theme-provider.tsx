// Gives Ant Design our theme without a style engine at run time, and marks the root element with theme and language.
import { ConfigProvider, theme } from 'antd';
import en from 'antd/es/locale/en_US';
import zh from 'antd/es/locale/zh_CN';
import { useLayoutEffect, useMemo, type ReactNode } from 'react';
import { useText } from '@/i18n';
import { useMode } from './preferences';
import { antTheme } from './theme.mjs';

export function ThemeProvider({ children }: { children: ReactNode }) {
  const { mode } = useMode();
  const { language } = useText();
  useLayoutEffect(() => {
    document.documentElement.dataset['theme'] = mode;
    document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  }, [mode, language]);
  const own = useMemo(
    () => ({ ...antTheme(mode, { light: theme.defaultAlgorithm, dark: theme.darkAlgorithm }), zeroRuntime: true }),
    [mode],
  );
  return (
    <ConfigProvider theme={own} locale={language === 'zh' ? zh : en} button={{ autoInsertSpace: false }} wave={{ disabled: true }}>
      {children}
    </ConfigProvider>
  );
}
