// What went wrong with a call, in one shape: the server's own refusal (RFC 9457), or that no answer came at all. The
// words for people are in the dictionaries, by `code`; `detail` is shown as small print and never branched on.
import type { components } from './schema';

export type ProblemBody = components['schemas']['Problem'];

export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly traceId: string | undefined;
  readonly body: Partial<ProblemBody>;
  readonly retryAfterSeconds: number | undefined;

  constructor(body: Partial<ProblemBody> & { code: string }, status: number, retryAfterSeconds?: number) {
    super(body.detail ?? body.title ?? body.code);
    this.name = 'Problem';
    this.code = body.code;
    this.status = status;
    this.traceId = body.trace_id;
    this.body = body;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Nobody knows whether the call was carried out; only the same key may be sent again. */
  get isUnclear(): boolean {
    return this.code === 'network' || this.code === 'outcome_unknown' || this.code === 'in_progress' || this.code === 'no_answer';
  }

  /** The same call may go through later, by itself. */
  get isWorthRepeating(): boolean {
    return this.isUnclear || this.status === 429 || this.status === 503 || this.status === 502 || this.status === 504;
  }
}

/** No answer came: the line is down, or the server is. */
export function unreachable(): Problem {
  return new Problem({ code: 'network' }, 0);
}

export async function problemOf(response: Response): Promise<Problem> {
  const after = Number(response.headers.get('retry-after'));
  const seconds = Number.isFinite(after) && after > 0 ? after : undefined;
  const traceId = response.headers.get('trace-id') ?? undefined;
  try {
    const body = (await response.json()) as Partial<ProblemBody>;
    if (typeof body.code === 'string') {
      return new Problem({ trace_id: traceId, ...body, code: body.code }, response.status, seconds);
    }
  } catch {
    // Something between here and the server answered, not the server.
  }
  // A gateway's own page says nothing about what happened behind it.
  const code = response.status >= 502 ? 'no_answer' : response.status === 404 ? 'not_found' : 'unexpected';
  return new Problem({ code, trace_id: traceId, detail: `HTTP ${response.status}` }, response.status, seconds);
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({ code: 'unexpected', detail: error instanceof Error ? error.message : String(error) }, 0);
}
