// The live stream of one audience: a WebSocket that comes back by itself and resumes after the last event it was given.
//
// What holds: nothing is missed. Whoever listens is told `caughtUp` each time the stream is open again, and then reads
// its list anew; together with the resumed events this closes every gap, also the one before the first event.
// A server that does not know the position (it was restored from an older backup, or we were away for very long) is
// listened to anew, without one.
// Where a token is needed the same events come over a fetched event stream, because a browser's WebSocket can't carry
// the header. What must never happen: a reconnect storm. Pauses double up to a limit and bear chance.
import { bearer } from './credentials';
import type { Order } from './client';

export type LiveState = 'connecting' | 'live' | 'waiting' | 'closed';

export interface LiveEvents {
  order?: (order: Order) => void;
  caughtUp?: () => void;
  /** The server does not know where we were: what was heard from it may never have been. `caughtUp` follows. */
  beginAnew?: () => void;
  state?: (state: LiveState) => void;
}

export interface LiveQuery {
  user_id?: string;
}

interface LiveOptions {
  /** Without, a stream that comes back tells what happens from then on: for looking at, not for keeping. */
  isGapless: boolean;
}

interface Frame {
  event: string;
  id?: string;
  data: unknown;
}

const PAUSE_FIRST_MS = 400;
const PAUSE_MOST_MS = 10_000;
/** A stream that stood this long was healthy: the next pause is short again. */
const HEALTHY_MS = 5_000;

export class LiveStream {
  private lastId: string | undefined;
  private failures = 0;
  private openedAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private close: (() => void) | undefined;
  private isStopped = false;

  constructor(
    private readonly query: LiveQuery,
    private readonly events: LiveEvents,
    private readonly options: LiveOptions = { isGapless: true },
  ) {
    addEventListener('online', this.hurry);
    document.addEventListener('visibilitychange', this.hurry);
    this.connect();
  }

  stop() {
    this.isStopped = true;
    removeEventListener('online', this.hurry);
    document.removeEventListener('visibilitychange', this.hurry);
    clearTimeout(this.timer);
    this.close?.();
    this.events.state?.('closed');
  }

  /** The line or the reader is back: no reason to sit out the pause. */
  private readonly hurry = () => {
    if (this.timer === undefined || document.visibilityState === 'hidden') return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.connect();
  };

  private connect() {
    this.events.state?.('connecting');
    const url = new URL('/v1/stream', location.origin);
    for (const [name, value] of Object.entries(this.query)) if (value) url.searchParams.set(name, value as string);
    if (this.options.isGapless && this.lastId !== undefined) url.searchParams.set('after', this.lastId);
    const token = bearer();
    this.close = token ? this.overFetch(url, token) : this.overSocket(url);
  }

  private overSocket(url: URL): () => void {
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    let isOurs = true;
    socket.onopen = () => isOurs && this.opened();
    socket.onmessage = (message) => isOurs && this.heard(JSON.parse(String(message.data)) as Frame);
    socket.onclose = (closed) => {
      if (!isOurs) return;
      isOurs = false;
      this.resumeFrom(closed.reason);
      // A refused WebSocket does not tell the page why it was refused.
      if (this.openedAt === 0 && this.lastId !== undefined) void this.askWhy(url);
      this.lost();
    };
    return () => {
      isOurs = false;
      socket.close();
    };
  }

  private overFetch(url: URL, token: string): () => void {
    const abort = new AbortController();
    const read = async () => {
      const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
      const response = await fetch(url, { headers, signal: abort.signal });
      if (!response.ok || !response.body) {
        await this.refused(response);
        throw new Error(`HTTP ${response.status}`);
      }
      this.opened();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const frames = new FrameReader((frame) => this.heard(frame));
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        frames.push(value);
      }
    };
    read()
      .catch(() => undefined)
      .finally(() => !abort.signal.aborted && this.lost());
    return () => abort.abort();
  }

  private async askWhy(url: URL) {
    const over = new URL(url);
    over.protocol = location.protocol;
    const abort = new AbortController();
    try {
      await this.refused(await fetch(over, { headers: { accept: 'text/event-stream' }, signal: abort.signal }));
    } catch {
      // Nobody is there; the next try will tell.
    } finally {
      abort.abort();
    }
  }

  private async refused(response: Response) {
    if (response.status !== 422) return;
    const problem = (await response.json().catch(() => null)) as { code?: string } | null;
    if (problem?.code !== 'position_unknown' || this.isStopped) return;
    this.lastId = undefined;
    this.events.beginAnew?.();
  }

  private opened() {
    this.openedAt = Date.now();
    this.events.state?.('live');
    this.events.caughtUp?.();
  }

  private heard(frame: Frame) {
    if (frame.id) this.lastId = frame.id;
    if (frame.event === 'order') this.events.order?.(frame.data as Order);
  }

  /** The server says in its last word where to go on. */
  private resumeFrom(reason: string) {
    try {
      const { after } = JSON.parse(reason) as { after?: string | null };
      if (after) this.lastId = after;
    } catch {
      // It had no time for a last word.
    }
  }

  private lost() {
    if (this.isStopped) return;
    this.failures = this.openedAt > 0 && Date.now() - this.openedAt > HEALTHY_MS ? 0 : this.failures + 1;
    this.openedAt = 0;
    this.events.state?.('waiting');
    const most = Math.min(PAUSE_MOST_MS, PAUSE_FIRST_MS * 2 ** Math.min(this.failures, 10));
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.connect();
    }, most * (0.5 + Math.random() / 2));
  }
}

/** Cuts a text/event-stream into frames; what is not complete yet waits for the rest. */
export class FrameReader {
  private rest = '';

  constructor(private readonly heard: (frame: Frame) => void) {}

  push(text: string) {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop() ?? '';
    for (const block of blocks) this.read(block);
  }

  private read(block: string) {
    const fields: Record<string, string> = {};
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
    }
    if (fields['event'] && fields['data'] !== undefined) {
      this.heard({ event: fields['event'], id: fields['id'], data: JSON.parse(fields['data']) });
    }
  }
}
