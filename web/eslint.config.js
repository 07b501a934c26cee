// Types are the compiler's work; here stand the rules of the house: hooks, no unsafe content, imports in one direction.
//   i18n ← api ← ui ← features/<context> ← routes
// A feature never imports another one; routes put them together.
import { readdirSync } from 'node:fs';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const features = readdirSync(new URL('./src/features', import.meta.url));
const forbid = (files, groups, message) => ({
  files,
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ group: groups, message }] }] },
});

export default tseslint.config(
  { ignores: ['scripts', 'dist', 'node_modules', 'src/api/schema.ts', 'src/api/paths.ts'] },
  ...tseslint.configs.recommended,
  hooks.configs.flat.recommended,
  {
    files: ['src/**/*.{ts,tsx}', 'e2e/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'Text is text; the security policy trusts no markup made at run time.' },
        { selector: "JSXAttribute[name.name='style']", message: 'Styles stand in the style sheets.' },
      ],
    },
  },
  { files: ['e2e/**/*.ts'], rules: { 'no-console': 'off' } },
  forbid(['src/i18n/**'], ['@/api/*', '@/ui/*', '@/features/*', '@/routes/*'], 'words know nothing of the pages'),
  forbid(['src/api/**'], ['@/ui/*', '@/features/*', '@/routes/*'], 'the interface knows nothing of the pages'),
  forbid(['src/ui/**'], ['@/features/*', '@/routes/*'], 'the component set knows no feature'),
  ...features.map((feature) =>
    forbid(
      [`src/features/${feature}/**`],
      ['@/routes/*', '../../*', ...features.filter((other) => other !== feature).map((other) => `@/features/${other}/*`)],
      'a feature imports no other feature and no route; put them together in src/routes',
    ),
  ),
);
