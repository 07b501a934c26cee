// The real binary on a fresh data directory and a free port. When it does not carry these pages as they are built now, a
// preview server stands before it and serves them under the same security policy.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = fileURLToPath(new URL('..', import.meta.url));
const binary = process.env['DOOS_BINARY'] ?? join(web, '../target/debug/doos');
const START_MS = 30_000;

// Whatever begins with DOOS_ is a setting to the binary, also what was meant for this folder.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DOOS_')));

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))));
    });
  });

async function until(what: string, isSo: () => Promise<boolean>) {
  const end = Date.now() + START_MS;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${START_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const ended = (child: ChildProcess) => new Promise<void>((resolve) => (child.exitCode === null && child.signalCode === null ? child.once('exit', () => resolve()) : resolve()));

export interface ServerOptions {
  /** Pays and delivers by itself. */
  life: boolean;
  /** Further settings, as environment. */
  env?: Record<string, string>;
}

export class Server {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'doos-e2e-'));
  private child: ChildProcess | undefined;
  private preview: ChildProcess | undefined;
  /** Where the pages are. */
  url = '';
  /** Where the interface is. */
  api = '';

  private constructor(
    private readonly port: number,
    private readonly options: ServerOptions,
  ) {
    this.api = `http://127.0.0.1:${port}`;
  }

  static async start(options: ServerOptions): Promise<Server> {
    const server = new Server(await freePort(), options);
    await server.run();
    await server.showPages();
    return server;
  }

  async run() {
    const flags = ['serve', '--data-dir', this.dataDir, '--listen', `127.0.0.1:${this.port}`, ...(this.options.life ? ['--demo-life'] : [])];
    this.child = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...environment, ...this.options.env } });
    const { child } = this;
    let words = '';
    child.stderr?.on('data', (text) => (words = (words + String(text)).slice(-4_000)));
    await until('the start of the server', async () => child.exitCode !== null || (await fetch(`${this.api}/readyz`)).ok);
    if (child.exitCode !== null) throw new Error(`the server ended at once: ${words}`);
  }

  /** Ends the server as an operator would, or without a word. */
  async halt(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') {
    const { child } = this;
    if (!child) return;
    child.kill(signal);
    await ended(child);
    this.child = undefined;
  }

  private async showPages() {
    const page = await fetch(`${this.api}/products`, { headers: { accept: 'text/html' } });
    if (page.ok && (await page.text()) === readFileSync(join(web, 'dist/index.html'), 'utf8')) {
      this.url = this.api;
      return;
    }
    const port = await freePort();
    this.preview = spawn(join(web, 'node_modules/.bin/vite'), ['preview', '--port', String(port), '--strictPort'], {
      cwd: web,
      stdio: 'ignore',
      env: { ...process.env, DOOS_URL: this.api },
    });
    this.url = `http://127.0.0.1:${port}`;
    await until('the start of the preview', async () => (await fetch(this.url)).ok);
  }

  token(kind: 'operator' | 'user', name: string): string {
    return execFileSync(binary, ['token', `--${kind}`, name, '--data-dir', this.dataDir, '--ttl-s', '3600'], { encoding: 'utf8', env: environment }).trim();
  }

  /** A call beside the pages, as an operator. */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.api + path, {
      method,
      headers: { authorization: `Bearer ${this.token('operator', 'e2e')}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** An order placed beside the pages, by a customer of the demonstration. */
  async place(user: string, productId: string, quantity = 1): Promise<{ order_id: string; status: string }> {
    const response = await fetch(`${this.api}/v1/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: user, items: [{ product_id: productId, quantity }] }),
    });
    if (!response.ok) throw new Error(`placing: ${response.status} ${await response.text()}`);
    return (await response.json()) as { order_id: string; status: string };
  }

  async free(productId: string): Promise<number> {
    return (await this.call<{ free: number }>('GET', `/v1/stock/${productId}`)).free;
  }

  async end() {
    this.preview?.kill('SIGTERM');
    await this.halt('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}
