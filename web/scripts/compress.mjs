// Writes FILE.br and FILE.gz beside every built file that gains by it. The same input gives the same bytes: no times and
// no names are stored in either.
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const files = readdirSync(dist, { recursive: true }).filter((file) => /\.(js|css|html|svg)$/.test(file)).sort();
for (const file of files) {
  const content = readFileSync(join(dist, file));
  const brotli = brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });
  const gzip = gzipSync(content, { level: 9 });
  if (brotli.length < content.length) writeFileSync(join(dist, `${file}.br`), brotli);
  if (gzip.length < content.length) writeFileSync(join(dist, `${file}.gz`), gzip);
}
console.log(`compressed ${files.length} files`);
