import { describe, expect, it } from 'vitest';
import { problemOf } from './problem';

describe('a refusal', () => {
  it('keeps code, trace and the pause asked for', async () => {
    const response = new Response(JSON.stringify({ code: 'rate_limited', trace_id: 'ab', detail: 'slow down' }), { status: 429, headers: { 'retry-after': '3' } });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ code: 'rate_limited', traceId: 'ab', retryAfterSeconds: 3, isWorthRepeating: true, isUnclear: false });
  });

  it('takes the page of a gateway between as no answer, whose outcome is unclear', async () => {
    const problem = await problemOf(new Response('<html>bad gateway', { status: 502 }));
    expect(problem).toMatchObject({ code: 'no_answer', isUnclear: true });
  });

  it('takes the trace from the header when the body has none', async () => {
    const problem = await problemOf(new Response('oops', { status: 500, headers: { 'trace-id': 'cd' } }));
    expect(problem).toMatchObject({ code: 'unexpected', traceId: 'cd', isUnclear: false });
  });
});
