import { describe, expect, it } from 'vitest';
import { nameInToken, useCustomer } from './credentials';

const token = (claims: object) => `x.${btoa(JSON.stringify(claims)).replaceAll('=', '')}.y`;

describe('who calls', () => {
  it('reads the name of an operator out of a token, and of nobody else', () => {
    expect(nameInToken(token({ sub: 'amy', kind: 'operator' }))).toBe('amy');
    expect(nameInToken(token({ sub: '42', kind: 'user' }))).toBeNull();
    expect(nameInToken('nonsense')).toBeNull();
  });

  it('remembers who has shopped here, latest first and each once', () => {
    const { signIn } = useCustomer.getState();
    for (const user of ['a', 'b', 'a']) signIn(user);
    expect(useCustomer.getState()).toMatchObject({ user: 'a', known: ['a', 'b'] });
  });
});
