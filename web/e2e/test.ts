// The test function of this folder: a server for the worker, a page that fails its test when the browser complains.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test as base, expect, type Page } from '@playwright/test';
import { Server } from './server';

interface Each {
  /** What the browser said. Tests that provoke a refusal take its line out with `forgive`. */
  complaints: string[];
  forgive: (pattern: RegExp) => void;
  shop: Shop;
}

interface OfWorker {
  life: boolean;
  server: Server;
}

export class Shop {
  constructor(
    readonly page: Page,
    readonly server: Server,
  ) {}

  /** A customer who has signed in before. */
  async as(user: string) {
    await this.page.addInitScript((name) => {
      if (!localStorage.getItem('doos.customer')) localStorage.setItem('doos.customer', JSON.stringify({ state: { user: name, known: [name] }, version: 0 }));
    }, user);
  }

  async asOperator() {
    const token = this.server.token('operator', 'olga');
    await this.page.addInitScript((text) => sessionStorage.setItem('doos.token', text), token);
  }

  async open(path: string) {
    await this.page.goto(this.server.url + path);
  }

  /** Buys one piece by the shop's own buttons and ends on the order's page. */
  async buy(name: string): Promise<string> {
    await this.open('/products');
    await this.page.getByRole('button', { name: `Buy now: ${name}` }).click();
    await this.page.getByRole('button', { name: /Place the order/ }).click();
    await this.page.waitForURL(/\/orders\/\d+$/);
    return this.page.url().split('/').pop() ?? '';
  }

  order(id: string) {
    return this.page.locator(`[data-order="${id}"]`);
  }
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails on anything that keeps somebody from using the page. */
export async function expectAccessible(page: Page) {
  // What is still fading in has no colours yet.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished.catch(() => null))));
  await page.evaluate(axeSource);
  const findings = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: () => Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  });
  expect(findings).toEqual([]);
}

export const test = base.extend<Each, OfWorker>({
  life: [false, { option: true, scope: 'worker' }],
  server: [
    async ({ life }, provide) => {
      const server = await Server.start({ life });
      await provide(server);
      await server.end();
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  complaints: [
    async ({ page }, provide) => {
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
      });
      page.on('pageerror', (error) => complaints.push(`thrown: ${error.message}`));
      await page.addInitScript(() =>
        document.addEventListener('securitypolicyviolation', (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)),
      );
      await provide(complaints);
      expect(complaints, 'the browser complained').toEqual([]);
    },
    { auto: true },
  ],
  forgive: async ({ complaints }, provide) => {
    const patterns: RegExp[] = [];
    await provide((pattern) => patterns.push(pattern));
    const left = complaints.filter((complaint) => !patterns.some((pattern) => pattern.test(complaint)));
    complaints.splice(0, complaints.length, ...left);
  },
  shop: async ({ page, server }, provide) => provide(new Shop(page, server)),
});

export { expect };
