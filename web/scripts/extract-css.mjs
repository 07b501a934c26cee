// Writes src/ui/generated.css: the palette as custom properties, and the styles of those Ant Design components that the
// pages use, extracted once instead of made in every browser. With them outside the script, no style element is made at
// run time and the content security policy needs neither a nonce nor 'unsafe-inline'.
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';
import { palettes, cssKey, antTheme, type } from '../src/ui/theme.mjs';

const require = createRequire(import.meta.url);
const React = require('react');
const antd = require('antd');
const { extractStyle } = require('@ant-design/static-style-extract');

// Add a component here when it is used for the first time; `npm run drift` fails when one is missing.
export const components = ['Button', 'Checkbox', 'Input', 'InputNumber', 'Segmented', 'Select', 'Skeleton', 'Switch', 'Table'];

const quiet = console.error;
console.error = () => {};
const extract = (mode) =>
  extractStyle({
    includes: components,
    customTheme: (node) =>
      React.createElement(
        antd.ConfigProvider,
        { theme: antTheme(mode, { light: antd.theme.defaultAlgorithm, dark: antd.theme.darkAlgorithm }) },
        node,
      ),
  });

const light = extract('light');
const dark = extract('dark');
console.error = quiet;

// The rules are the same in both themes but for the custom properties under the theme's own class.
const ownRules = (css, key) => [...css.matchAll(new RegExp(`(?:^|})(\\.${key}[^{}]*\\{[^{}]*\\})`, 'g'))].map((m) => m[1]);
const darkRules = [...dark.matchAll(new RegExp(`\\.${cssKey('dark')}[^{},]*(?:,[^{}]*)?\\{[^{}]*\\}`, 'g'))].map((m) => m[0]);
if (darkRules.length < 5 || ownRules(light, cssKey('light')).length < 1) throw new Error('the extracted styles look unlike what is expected');

const properties = (mode) => Object.entries(palettes[mode]).map(([name, value]) => `--${name}:${value};`).join('');
const faces = `--sans:${type.sans};--serif:${type.serif};--mono:${type.mono};`;
const css = `/* Written by \`npm run gen:css\`; do not edit. */
:root{${faces}}
:root,:root[data-theme="light"]{color-scheme:light;${properties('light')}}
:root[data-theme="dark"]{color-scheme:dark;${properties('dark')}}
${light}
${darkRules.join('')}
`;
writeFileSync(new URL('../src/ui/generated.css', import.meta.url), css);
