// One intent, one idempotency key. A key is kept in the tab's storage together with what is asked, so that pressing the
// button again, a reload and every automatic repeat send the same key, and a changed request gets a new one.
//
// What must never happen: a new key for a request whose outcome is not known. It could be done twice.
import { asProblem, type Problem } from './problem';

const PREFIX = 'doos.attempt.';

/** `randomUUID` exists on pages over TLS and on this machine only; random bytes exist everywhere. */
const fresh = (): string => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

interface Kept {
  asked: string;
  key: string;
}

/** The key for an intent: the kept one while the same is asked, otherwise a new one. */
export function keyFor(intent: string, asked: unknown, storage: Storage = sessionStorage): string {
  const text = JSON.stringify(asked);
  const kept = storage.getItem(PREFIX + intent);
  if (kept) {
    try {
      const { asked: before, key } = JSON.parse(kept) as Kept;
      if (before === text) return key;
    } catch {
      // Not ours; it is overwritten.
    }
  }
  const key = fresh();
  storage.setItem(PREFIX + intent, JSON.stringify({ asked: text, key } satisfies Kept));
  return key;
}

export function settled(intent: string, storage: Storage = sessionStorage) {
  storage.removeItem(PREFIX + intent);
}

interface Patience {
  tries: number;
  pause: (tryNumber: number, problem: Problem) => Promise<void>;
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Pauses grow, bear a little chance, and are never shorter than what the server asks for. */
const patience: Patience = {
  tries: 4,
  pause: (tryNumber, problem) => {
    const own = Math.min(4000, 300 * 2 ** tryNumber) * (0.75 + Math.random() / 2);
    return wait(Math.max(own, Math.min((problem.retryAfterSeconds ?? 0) * 1000, 10_000)));
  },
};

/**
 * Sends `call` under the intent's key, again and again while nobody knows its outcome. A refusal ends the attempt only
 * when it is clear that nothing was done; while it is not, the key stays for the next press of the button.
 */
export async function attempt<T>(
  intent: string,
  asked: unknown,
  call: (key: string) => Promise<T>,
  { tries, pause }: Patience = patience,
): Promise<T> {
  const key = keyFor(intent, asked);
  for (let tryNumber = 0; ; tryNumber += 1) {
    try {
      const done = await call(key);
      settled(intent);
      return done;
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.isUnclear) {
        if (!problem.isWorthRepeating) settled(intent);
        throw problem;
      }
      if (tryNumber + 1 >= tries) throw problem;
      await pause(tryNumber, problem);
    }
  }
}
