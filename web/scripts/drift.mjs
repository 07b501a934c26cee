// Fails when a generated file isn't what the generators write now: the API types or the extracted styles are stale, or
// a page uses an Ant Design component whose styles are not extracted. Nothing is left changed.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const generated = ['src/api/schema.ts', 'src/api/paths.ts', 'src/ui/generated.css'];
const before = generated.map((file) => readFileSync(join(root, file), 'utf8'));
execFileSync('npm', ['run', '--silent', 'gen'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
const stale = generated.filter((file, index) => readFileSync(join(root, file), 'utf8') !== before[index]);
generated.forEach((file, index) => writeFileSync(join(root, file), before[index]));

const extracted = readFileSync(join(root, 'scripts/extract-css.mjs'), 'utf8').match(/components = \[([^\]]*)\]/)[1];
const known = new Set([...extracted.matchAll(/'(\w+)'/g)].map((match) => match[1]));
const withoutStyles = new Set(['ConfigProvider', 'theme']);
const sources = readdirSync(join(root, 'src'), { recursive: true }).filter((file) => /\.tsx?$/.test(file));
const unstyled = sources.flatMap((file) => {
  const text = readFileSync(join(root, 'src', file), 'utf8');
  return [...text.matchAll(/import \{([^}]*)\} from 'antd'/g)]
    .flatMap((match) => match[1].split(','))
    .map((name) => name.trim())
    .filter((name) => name && !name.startsWith('type ') && !known.has(name) && !withoutStyles.has(name))
    .map((name) => `src/${file} uses ${name}, whose styles are not extracted: add it to scripts/extract-css.mjs`);
});
const faults = [...stale.map((file) => `${file} is stale: run \`npm run gen\` in web/`), ...unstyled];
faults.forEach((fault) => console.error(fault));
console.log(faults.length ? `drift: ${faults.length} faults` : `drift: none in ${generated.length} generated files`);
process.exit(faults.length ? 1 : 0);
