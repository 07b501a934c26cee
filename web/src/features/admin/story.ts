// Everything that is known of an order, in one line of time: its moves, its messages, its rows of the stock ledger.
import type { Message, Movement, OrderMove } from '@/api/client';

export type Chapter = 'move' | 'message' | 'ledger';

export interface Entry {
  key: string;
  at: string;
  chapter: Chapter;
  trace: string | undefined;
  move?: OrderMove;
  message?: Message;
  movement?: Movement;
}

// At one instant the move comes first, then what it asks of others, then what they did.
const rank: Record<Chapter, number> = { move: 0, message: 1, ledger: 2 };

export function story(moves: OrderMove[], messages: Message[], movements: Movement[]): Entry[] {
  // A move stores no trace of its own; the messages written with it do, and they are of the same call.
  const traceAt = new Map(messages.map((message) => [message.order_version, message.trace_id ?? undefined]));
  const entries: Entry[] = [
    ...moves.map((move): Entry => ({
      key: `move:${move.version}`,
      at: move.at,
      chapter: 'move',
      trace: traceAt.get(move.version),
      move,
    })),
    ...messages.map((message): Entry => ({ key: `message:${message.message_id}`, at: message.at, chapter: 'message', trace: message.trace_id ?? undefined, message })),
    ...movements.map((movement, index): Entry => ({ key: `ledger:${movement.reference}:${movement.product_id}:${movement.kind}:${index}`, at: movement.at, chapter: 'ledger', trace: undefined, movement })),
  ];
  return entries.sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || rank[a.chapter] - rank[b.chapter]);
}
