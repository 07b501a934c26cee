// The page's way to the server: JSON in, JSON out, refusals as Problem.
//
// A mutating call carries an idempotency key that belongs to the intent (this user, this product, this
// quantity), not to the request. While the outcome is unknown the key is kept, so that pressing the
// button again asks after the first call and never orders twice. A definite answer ends the intent.

const REQUEST_TIMEOUT_MS = 15_000;

/** A refusal. `code` and `detail` are the server's; `unknown` says that the call may have taken effect. */
export class Problem extends Error {
  constructor(status, code, detail, unknown) {
    super(detail);
    Object.assign(this, { status, code, detail, unknown });
  }
}

/** crypto.randomUUID exists only on secure origins; a shop on the local network is served without TLS. */
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const openKeys = new Map();

export const isOpen = (intent) => openKeys.has(intent);

async function call(path, options, language) {
  const mutating = options.method === "POST";
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers: { Accept: "application/json, application/problem+json", "Accept-Language": language, ...options.headers },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, "unreachable", "", mutating);
  }
  const body = await response.json().catch(() => null);
  if (response.ok && (body !== null || response.status === 202)) return body ?? {};
  // A 503 and a 409 in_progress leave the first attempt's outcome open, and so does a success that was cut short.
  const code = body?.code ?? `http_${response.status}`;
  const unknown = mutating && (response.ok || response.status >= 500 || code === "in_progress");
  throw new Problem(response.status, code, body?.detail ?? body?.title ?? response.statusText, unknown);
}

export const read = (path, language) => call(path, {}, language);

export async function move(intent, path, body, language) {
  const key = openKeys.get(intent) ?? freshKey();
  openKeys.set(intent, key);
  const headers = { "Idempotency-Key": key };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    const answer = await call(path, { method: "POST", headers, body: body && JSON.stringify(body) }, language);
    openKeys.delete(intent);
    return answer;
  } catch (problem) {
    if (!problem.unknown) openKeys.delete(intent);
    throw problem;
  }
}

/** Minor units to the reader's notation. The division happens on the digits, never on a float. */
export function money({ amount_minor, currency }, language) {
  const locale = language === "zh" ? "zh-CN" : "en";
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  const text = String(Math.abs(amount_minor)).padStart(digits + 1, "0");
  const cut = text.length - digits;
  const decimal = digits === 0 ? text : `${text.slice(0, cut)}.${text.slice(cut)}`;
  return format.format(`${amount_minor < 0 ? "-" : ""}${decimal}`);
}
