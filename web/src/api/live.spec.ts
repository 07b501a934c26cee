import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FrameReader, LiveStream, type LiveState } from './live';

class FakeSocket {
  static all: FakeSocket[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((message: { data: string }) => void) | undefined;
  onclose: ((closed: { reason: string }) => void) | undefined;
  isClosed = false;
  constructor(readonly url: URL) {
    FakeSocket.all.push(this);
  }
  close() {
    this.isClosed = true;
  }
  says(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

const last = () => FakeSocket.all.at(-1) as FakeSocket;

describe('the live stream', () => {
  const states: LiveState[] = [];
  let caughtUp = 0;
  let anew = 0;
  let versions: number[] = [];
  let stream: LiveStream;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('WebSocket', FakeSocket);
    FakeSocket.all = [];
    states.length = 0;
    caughtUp = 0;
    anew = 0;
    versions = [];
    stream = new LiveStream(
      { user_id: 'mei' },
      { order: (order) => versions.push(order.version), state: (state) => states.push(state), caughtUp: () => (caughtUp += 1), beginAnew: () => (anew += 1) },
    );
  });
  afterEach(() => {
    stream.stop();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('begins without a position and names its user', () => {
    expect(last().url.searchParams.get('user_id')).toBe('mei');
    expect(last().url.searchParams.has('after')).toBe(false);
    expect(last().url.protocol).toBe('ws:');
  });

  it('begins anew where the server does not know its position, and says so', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', (url: URL) => {
      asked.push(`${url.protocol}//${url.pathname}${url.search}`);
      return Promise.resolve(new Response(JSON.stringify({ code: 'position_unknown' }), { status: 422 }));
    });
    last().onopen?.();
    last().says({ event: 'order', id: '42', data: { version: 2 } });
    last().onclose?.({ reason: '' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(last().url.searchParams.get('after')).toBe('42');
    // Refused: it closes without ever having been open.
    last().onclose?.({ reason: '' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toEqual(['http://' + '/v1/stream?user_id=mei&after=42']);
    expect(anew).toBe(1);
    expect(last().url.searchParams.has('after')).toBe(false);
    last().onopen?.();
    expect(caughtUp).toBe(2);
  });

  it('keeps its position where the server is only away', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('nobody there')));
    last().onopen?.();
    last().says({ event: 'order', id: '42', data: { version: 2 } });
    last().onclose?.({ reason: '' });
    await vi.advanceTimersByTimeAsync(60_000);
    last().onclose?.({ reason: '' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(anew).toBe(0);
    expect(last().url.searchParams.get('after')).toBe('42');
  });

  it('resumes after the last event it was given', () => {
    last().onopen?.();
    last().says({ event: 'order', id: '17', data: { version: 1 } });
    last().says({ event: 'order', id: '42', data: { version: 2 } });
    last().onclose?.({ reason: '' });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(2);
    expect(last().url.searchParams.get('after')).toBe('42');
    expect(versions).toEqual([1, 2]);
  });

  it('resumes where the server said it should', () => {
    last().onopen?.();
    last().onclose?.({ reason: '{"reason":"overrun","after":"99"}' });
    vi.advanceTimersByTime(60_000);
    expect(last().url.searchParams.get('after')).toBe('99');
  });

  it('says each time that it has caught up, so that the list is read again', () => {
    last().onopen?.();
    last().onclose?.({ reason: '' });
    vi.advanceTimersByTime(60_000);
    last().onopen?.();
    expect(caughtUp).toBe(2);
    expect(states).toContain('waiting');
    expect(states.at(-1)).toBe('live');
  });

  it('waits longer after each failure, and never beyond its limit', () => {
    const waits: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      const before = FakeSocket.all.length;
      last().onclose?.({ reason: '' });
      let waited = 0;
      while (FakeSocket.all.length === before) {
        vi.advanceTimersByTime(50);
        waited += 50;
      }
      waits.push(waited);
    }
    expect(waits[0]).toBeLessThanOrEqual(850);
    expect(waits[0]).toBeGreaterThan(50);
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(4_900);
  });

  it('comes back at once when the line does', () => {
    last().onclose?.({ reason: '' });
    dispatchEvent(new Event('online'));
    expect(FakeSocket.all).toHaveLength(2);
  });

  it('is quiet after it was stopped', () => {
    const socket = last();
    stream.stop();
    expect(socket.isClosed).toBe(true);
    socket.onclose?.({ reason: '' });
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

describe('the reader of an event stream', () => {
  it('puts frames together however they are cut', () => {
    const heard: unknown[] = [];
    const reader = new FrameReader((frame) => heard.push(frame));
    const text = ': ping\n\nid: 7\nevent: order\ndata: {"a":"x:y"}\n\nevent: counters\ndata: {"b":2}\n\n';
    for (const letter of text) reader.push(letter);
    expect(heard).toEqual([
      { event: 'order', id: '7', data: { a: 'x:y' } },
      { event: 'counters', id: undefined, data: { b: 2 } },
    ]);
  });
});
