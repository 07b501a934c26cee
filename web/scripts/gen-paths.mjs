// Writes src/api/paths.ts: which operations the checked-in OpenAPI file has. Pages and server are built together, so a
// page knows at build time what it may ask, and shows an empty state instead of running into a 404.
import { readFileSync, writeFileSync } from 'node:fs';

const document = JSON.parse(readFileSync(process.env.OPENAPI ?? new URL('../../api/openapi.json', import.meta.url), 'utf8'));
const methods = ['get', 'post', 'put', 'patch', 'delete'];
const operations = Object.entries(document.paths)
  .flatMap(([path, item]) => methods.filter((m) => item[m]).map((m) => `${m.toUpperCase()} ${path}`))
  .sort();
const text = `/* Written by \`npm run gen:api\`; do not edit. */
export const operations: ReadonlySet<string> = new Set([
${operations.map((operation) => `  '${operation}',`).join('\n')}
]);
`;
writeFileSync(new URL('../src/api/paths.ts', import.meta.url), text);
