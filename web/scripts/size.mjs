// What a first visit to the shop downloads: the entry, everything it imports before it runs, and the styles. Fails above
// the limit, and when the charts or the console's tables came along.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const SCRIPT_KB_MAX = 350;
const dist = fileURLToPath(new URL('../dist', import.meta.url));
const page = readFileSync(join(dist, 'index.html'), 'utf8');
const named = (pattern) => [...page.matchAll(pattern)].map((match) => match[1]);
const scripts = [...named(/<script[^>]* src="([^"]+)"/g), ...named(/<link rel="modulepreload"[^>]* href="([^"]+)"/g)];
const styles = named(/<link rel="stylesheet"[^>]* href="([^"]+)"/g);
if (scripts.length < 1 || styles.length < 1) throw new Error('the built page names no script or no style');

const size = (file) => statSync(join(dist, file), { throwIfNoEntry: false })?.size;
const kb = (files, ending) => files.reduce((sum, file) => sum + (size(file + ending) ?? size(file)), 0) / 1000;
const all = readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.js'));
const total = kb(scripts, '.gz');
console.log(`first load of the shop: ${total.toFixed(1)} kB of script (gzip; ${kb(scripts, '.br').toFixed(1)} brotli) in ${scripts.length} files, limit ${SCRIPT_KB_MAX}; ${kb(styles, '.gz').toFixed(1)} kB of styles (${kb(styles, '.br').toFixed(1)} brotli)`);
console.log(`everything: ${kb(all, '.gz').toFixed(1)} kB of script in ${all.length} files`);

if (total > SCRIPT_KB_MAX) throw new Error(`the first load is over its limit of ${SCRIPT_KB_MAX} kB`);
for (const file of scripts) {
  const text = readFileSync(join(dist, file), 'utf8');
  for (const heavy of ['zrender', 'ant-table-cell']) {
    if (text.includes(heavy)) throw new Error(`the first load brings ${heavy} with ${file}`);
  }
}
