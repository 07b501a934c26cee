/// <reference types="vitest/config" />
import { fileURLToPath, URL } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin, type ProxyOptions } from 'vite';

// Where the system runs that the pages talk to while they are developed.
const backend = process.env['DOOS_URL'] ?? 'http://127.0.0.1:8080';
// The security policy of the binary, so that a preview shows the same violations.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

// Ant Design's parts add style elements for a few leftovers; ours adopts constructed sheets, which the policy allows.
const dynamicCss: Plugin = {
  name: 'dynamic-css-by-adopted-sheets',
  enforce: 'pre',
  resolveId(source) {
    return /\/dynamicCSS(\.js)?$/.test(source) ? fileURLToPath(new URL('./src/ui/dynamic-css.ts', import.meta.url)) : null;
  },
};

// The demo principal is lent to pages of the server itself only, which a proxied page is.
const sameOrigin: ProxyOptions['configure'] = (server) => {
  server.on('proxyReq', (request) => request.getHeader('origin') && request.setHeader('origin', backend));
  server.on('proxyReqWs', (request) => request.getHeader('origin') && request.setHeader('origin', backend));
};

// `/orders` is a page for browsers and JSON for programs; `/v1` is never a page.
const api = ['/v1', '/pictures', '/favicon.ico', '/docs', '/openapi.json', '/metrics', '/readyz', '/livez', '/assets'];
const proxy: Record<string, ProxyOptions> = Object.fromEntries(
  api.map((path) => [path, { target: backend, changeOrigin: true, ws: path === '/v1', configure: sameOrigin }]),
);

export default defineConfig({
  plugins: [dynamicCss, react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { proxy, host: '127.0.0.1' },
  preview: { proxy, host: '127.0.0.1', headers: { 'Content-Security-Policy': policy } },
  build: {
    target: 'es2022',
    assetsDir: 'static',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1200,
    rollupOptions: {
      output: {
        entryFileNames: 'static/[name]-[hash].js',
        chunkFileNames: 'static/[name]-[hash].js',
        assetFileNames: 'static/[name]-[hash][extname]',
      },
    },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['./src/test-setup.ts'],
    include: ['src/**/*.spec.{ts,tsx}'],
    css: false,
    pool: 'threads',
    // A busy machine is slow, not wrong.
    testTimeout: 30_000,
  },
});
