// The one way to the server: a client typed by the OpenAPI file, which names the caller and turns refusals into
// `Problem`s. What must never happen: a call that changes something without an idempotency key.
import createClient, { type Middleware } from 'openapi-fetch';
import { bearer } from './credentials';
import { operations } from './paths';
import { Problem, problemOf, unreachable } from './problem';
import type { components, paths } from './schema';

export type Order = components['schemas']['Order'];
export type OrderMove = components['schemas']['OrderMove'];
export type OrderItem = components['schemas']['OrderItem'];
export type OrderList = components['schemas']['OrderList'];
export type Product = components['schemas']['Product'];
export type Stock = components['schemas']['Stock'];
export type Movement = components['schemas']['Movement'];
export type Message = components['schemas']['Message'];
export type DeadLetter = components['schemas']['DeadLetter'];
export type Action = components['schemas']['Action'];
export type ActionList = components['schemas']['ActionList'];
export type MovementList = components['schemas']['MovementList'];
export type SettledLetters = components['schemas']['SettledDeadLetterList'];
export type Amount = components['schemas']['Amount'];

const identify: Middleware = {
  onRequest({ request }) {
    const token = bearer();
    if (token) request.headers.set('authorization', `Bearer ${token}`);
    return request;
  },
};

export const client = createClient<paths>({ fetch: (request) => globalThis.fetch(request), baseUrl: location.origin });
client.use(identify);

/** The content of an answer, or a thrown `Problem`. */
export async function answer<T>(call: Promise<{ data?: T; response: Response; error?: unknown }>): Promise<T> {
  let result;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw unreachable();
  }
  if (result.response.ok) return result.data as T;
  const { error, response } = result;
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    const after = Number(response.headers.get('retry-after'));
    throw new Problem(error as { code: string }, response.status, after > 0 ? after : undefined);
  }
  throw await problemOf(new Response(null, { status: response.status, headers: response.headers }));
}

/** Whether the server that these pages are built with has an operation, such as `GET /v1/stats/sales`. */
export const has = (operation: string): boolean => operations.has(operation);

/** For operations that are younger than the OpenAPI file; their shapes are in `shapes.ts`. */
export async function request<T>(method: string, path: string, options: { query?: object; body?: unknown } = {}): Promise<T> {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  const token = bearer();
  const headers: Record<string, string> = { accept: 'application/json' };
  if (token) headers['authorization'] = `Bearer ${token}`;
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(url, { method, headers, body: options.body === undefined ? undefined : JSON.stringify(options.body) });
  } catch {
    throw unreachable();
  }
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}
