import { describe, expect, it } from 'vitest';
import { attempt, keyFor } from './attempt';
import { Problem, unreachable } from './problem';

const patience = { tries: 4, pause: () => Promise.resolve() };
const refusal = (code: string, status: number) => new Problem({ code }, status);

describe('an attempt', () => {
  it('sends the same key until it knows the outcome', async () => {
    const keys: string[] = [];
    const failures = [unreachable(), refusal('outcome_unknown', 503), refusal('in_progress', 409)];
    const done = await attempt('place:mei', { a: 1 }, (key) => {
      keys.push(key);
      const failure = failures[keys.length - 1];
      return failure ? Promise.reject(failure) : Promise.resolve('done');
    }, patience);
    expect(done).toBe('done');
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
  });

  it('keeps its key when it gives up without knowing, for the next press and after a reload', async () => {
    const keys: string[] = [];
    const call = (key: string) => {
      keys.push(key);
      return Promise.reject(unreachable());
    };
    await expect(attempt('place:mei', { a: 1 }, call, patience)).rejects.toMatchObject({ code: 'network' });
    await expect(attempt('place:mei', { a: 1 }, call, patience)).rejects.toMatchObject({ code: 'network' });
    expect(keys).toHaveLength(8);
    expect(new Set(keys).size).toBe(1);
    expect(keyFor('place:mei', { a: 1 })).toBe(keys[0]);
  });

  it('takes a new key for another request, and after a success', async () => {
    const first = keyFor('place:mei', { a: 1 });
    expect(keyFor('place:mei', { a: 1 })).toBe(first);
    expect(keyFor('place:mei', { a: 2 })).not.toBe(first);
    const used = await attempt('pay:1', {}, (key) => Promise.resolve(key), patience);
    expect(keyFor('pay:1', {})).not.toBe(used);
  });

  it('does not repeat a refusal by itself', async () => {
    let calls = 0;
    const call = () => {
      calls += 1;
      return Promise.reject(refusal('out_of_stock', 409));
    };
    await expect(attempt('place:mei', {}, call, patience)).rejects.toMatchObject({ code: 'out_of_stock' });
    expect(calls).toBe(1);
  });

  it('leaves a busy server alone until the button is pressed again, under the same key', async () => {
    const keys: string[] = [];
    const call = (key: string) => {
      keys.push(key);
      return Promise.reject(refusal('overloaded', 503));
    };
    await expect(attempt('place:mei', {}, call, patience)).rejects.toMatchObject({ code: 'overloaded' });
    await expect(attempt('place:mei', {}, call, patience)).rejects.toMatchObject({ code: 'overloaded' });
    expect(keys).toHaveLength(2);
    expect(keys[1]).toBe(keys[0]);
  });
});
