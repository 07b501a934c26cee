// The colours and measures of the house, in one place: the style sheet generator writes them as custom properties
// (`--ground`, `--ink`, …) and Ant Design's tokens are derived from the same values, so the two can't drift apart.
// Every pair of text and ground used for reading has a contrast of at least 4.5 : 1, in both themes.

const sans =
  '"Inter", system-ui, -apple-system, "Segoe UI", Roboto, "PingFang SC", "Hiragino Sans GB", "Noto Sans CJK SC", "Noto Sans SC", "Microsoft YaHei", sans-serif';
const serif =
  '"Iowan Old Style", "Palatino Linotype", Palatino, "Songti SC", "Noto Serif CJK SC", "Noto Serif SC", Georgia, serif';
const mono = 'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

export const type = { sans, serif, mono };

export const palettes = {
  light: {
    ground: '#f5f1e8',
    sheet: '#fffdf8',
    sunk: '#ece5d8',
    ink: '#222c31',
    soft: '#566268',
    line: '#dcd2c0',
    'line-strong': '#8d8673',
    accent: '#1f635a',
    'accent-hover': '#184f48',
    'accent-ink': '#ffffff',
    'accent-wash': '#dbe9e3',
    clay: '#9a4125',
    'clay-wash': '#f6e0d6',
    ochre: '#76540e',
    'ochre-wash': '#f5e8ca',
    blue: '#315680',
    'blue-wash': '#dfe7f0',
    plum: '#644a74',
    'plum-wash': '#ece3ef',
    'slate-wash': '#e4e2da',
    shade: '0 1px 0 rgb(80 64 30 / 5%)',
    lift: '0 18px 50px rgb(40 30 10 / 22%)',
  },
  dark: {
    ground: '#12181b',
    sheet: '#1a2226',
    sunk: '#0e1316',
    ink: '#e9e4d9',
    soft: '#a2adb1',
    line: '#2e393f',
    'line-strong': '#6d7a80',
    accent: '#82c8b9',
    'accent-hover': '#a0dacd',
    'accent-ink': '#0d1f1c',
    'accent-wash': '#1f3835',
    clay: '#f0a587',
    'clay-wash': '#42281e',
    ochre: '#e6c070',
    'ochre-wash': '#392f19',
    blue: '#a3c3e4',
    'blue-wash': '#223247',
    plum: '#cfb2de',
    'plum-wash': '#372a40',
    'slate-wash': '#283136',
    shade: '0 1px 0 rgb(0 0 0 / 30%)',
    lift: '0 18px 50px rgb(0 0 0 / 55%)',
  },
};

/** The class that carries the custom properties of Ant Design's components in a theme. */
export const cssKey = (mode) => `doos-${mode}`;

/** Ant Design's theme. `algorithm` is handed in so that this file depends on nothing. */
export function antTheme(mode, algorithms) {
  const p = palettes[mode];
  return {
    algorithm: mode === 'dark' ? algorithms.dark : algorithms.light,
    hashed: false,
    cssVar: { key: cssKey(mode) },
    token: {
      colorPrimary: p.accent,
      colorInfo: p.blue,
      colorSuccess: p.accent,
      colorWarning: p.ochre,
      colorError: p.clay,
      colorLink: p.accent,
      colorText: p.ink,
      colorTextSecondary: p.soft,
      colorTextTertiary: p.soft,
      colorTextPlaceholder: p.soft,
      colorTextDescription: p.soft,
      colorTextLightSolid: p['accent-ink'],
      colorBgBase: p.ground,
      colorBgContainer: p.sheet,
      colorBgElevated: p.sheet,
      colorBgLayout: p.ground,
      colorBorder: p['line-strong'],
      colorBorderSecondary: p.line,
      colorSplit: p.line,
      // Chosen rows and options: derived from our colours they would be too dark to read on.
      controlItemBgActive: p['accent-wash'],
      controlItemBgActiveHover: p['accent-wash'],
      fontFamily: sans,
      fontFamilyCode: mono,
      fontSize: 14,
      borderRadius: 5,
      borderRadiusLG: 7,
      borderRadiusSM: 4,
      controlHeight: 34,
      controlHeightSM: 28,
      lineWidthFocus: 2,
      wireframe: false,
      motionDurationMid: '0.12s',
      motionDurationSlow: '0.18s',
    },
    components: {
      Button: {
        fontWeight: 500,
        paddingInline: 13,
        primaryShadow: 'none',
        defaultShadow: 'none',
        dangerShadow: 'none',
        colorPrimaryHover: p['accent-hover'],
        primaryColor: p['accent-ink'],
        dangerColor: p['accent-ink'],
      },
      Table: { cellPaddingBlockSM: 7, cellPaddingInlineSM: 10, headerBg: p.sunk, headerColor: p.soft, headerSplitColor: 'transparent', rowSelectedBg: p['accent-wash'], rowSelectedHoverBg: p['accent-wash'] },
      Segmented: { trackBg: p.sunk, itemSelectedBg: p.sheet, itemColor: p.soft, itemSelectedColor: p.ink },
    },
  };
}
