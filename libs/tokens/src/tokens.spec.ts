import { beforeEach, describe, expect, it } from 'vitest';
import { bearerToken, hashToken, isToken } from './bearer.ts';
import { findToken, issueToken, revokeToken, rotateToken } from './issue.ts';
import { parseScopes, SCOPES, TokenRequestError, type Scope } from './scopes.ts';
import { tokenId, type TokenRecord, type TokenStore } from './token.ts';
import { createTokenVerifier } from './verify.ts';

/** The store's rules are tested with real ones in libs/node-state. */
function memoryStore(): TokenStore & { readonly records: Map<string, TokenRecord>; asked: number; away: boolean } {
  const records = new Map<string, TokenRecord>();
  const change = (hash: string, more: (record: TokenRecord) => Partial<TokenRecord>) => {
    const record = records.get(hash);
    if (record) records.set(hash, { ...record, ...more(record) });
    return Promise.resolve(record !== undefined);
  };
  return {
    records,
    asked: 0,
    away: false,
    insert: async (record) => void records.set(record.hash, record),
    async find(hash) {
      if (this.away) throw new Error('the store is away');
      this.asked++;
      return records.get(hash) ?? null;
    },
    list: async () => [...records.values()],
    expire: (hash, at) => change(hash, ({ expiresAt }) => ({ expiresAt: Math.min(expiresAt ?? at, at) })),
    revoke: (hash, at) => change(hash, ({ revokedAt }) => ({ revokedAt: revokedAt ?? at })),
  };
}

let store: ReturnType<typeof memoryStore>;
let now: number;
const header = (token: string) => `Bearer ${token}`;
const verifier = (cacheMs = 0) => createTokenVerifier({ store, cacheMs, now: () => now });
const verdict = (token: string, scope: Scope, node?: string) =>
  verifier().verify(header(token), node === undefined ? { scope } : { scope, node });

beforeEach(() => {
  store = memoryStore();
  now = 1_000_000;
});

describe('a token', () => {
  it('is 256 random bits behind a prefix, and only its hash is kept', async () => {
    const made = await Promise.all([1, 2].map(() => issueToken(store, { name: 'ci', scopes: ['read'] }, now)));
    expect(new Set(made.map(({ token }) => token)).size).toBe(2);
    for (const { token, record } of made) {
      expect(isToken(token)).toBe(true);
      expect(Buffer.from(token.slice(4), 'base64url')).toHaveLength(32);
      expect(store.records.get(hashToken(token))).toEqual(record);
      expect(JSON.stringify([...store.records.values()])).not.toContain(token.slice(4));
    }
  });

  it('opens what its scopes say; admin stands for the scopes of people, never for a node', async () => {
    for (const scope of SCOPES.filter((s) => s !== 'node')) {
      const { token } = await issueToken(store, { name: scope, scopes: [scope] }, now);
      for (const wanted of SCOPES) {
        const result = await verdict(token, wanted);
        const allowed = wanted === scope || (scope === 'admin' && wanted !== 'node');
        expect([scope, wanted, result.ok]).toEqual([scope, wanted, allowed]);
        if (!result.ok) expect(result).toMatchObject({ status: 403, reason: expect.stringContaining(wanted) });
      }
    }
  });

  it('of a node speaks for that node only', async () => {
    const { token } = await issueToken(store, { name: '', scopes: ['node'], node: 'n1' }, now);
    expect(await verdict(token, 'node', 'n1')).toMatchObject({ ok: true, token: { name: 'n1', node: 'n1' } });
    expect(await verdict(token, 'node', 'n2')).toMatchObject({ ok: false, status: 403 });
    expect(await verdict(token, 'read')).toMatchObject({ ok: false, status: 403 });
    const { token: admin } = await issueToken(store, { name: 'a', scopes: ['admin'] }, now);
    expect(await verdict(admin, 'read', 'n1')).toMatchObject({ ok: false, status: 403 });
  });

  it.each([
    [[], undefined, 'at least one scope'],
    [['node'], undefined, 'the name of the node'],
    [['node', 'read'], 'n1', 'no other scope'],
    [['read'], 'n1', 'bound to a node'],
  ] as Array<[Scope[], string | undefined, string]>)(
    'is not made with scopes %j and node %s',
    async (scopes, node, why) => {
      await expect(issueToken(store, { name: 'x', scopes, node }, now)).rejects.toThrow(why);
      expect(store.records.size).toBe(0);
    },
  );

  it('ends at its time', async () => {
    const { token } = await issueToken(store, { name: 'x', scopes: ['read'], validMs: 1000 }, now);
    now += 999;
    expect(await verdict(token, 'read')).toMatchObject({ ok: true });
    now += 1;
    expect(await verdict(token, 'read')).toMatchObject({
      ok: false,
      status: 401,
      reason: expect.stringMatching(/expired/),
    });
  });

  it('is refused once it was revoked, by any begin of its id that is its own', async () => {
    const { token, record } = await issueToken(store, { name: 'x', scopes: ['read'] }, now);
    await expect(findToken(store, 'zzzz')).rejects.toThrow(TokenRequestError);
    await expect(findToken(store, record.hash.slice(0, 3))).rejects.toThrow(TokenRequestError);
    await revokeToken(store, tokenId(record).slice(0, 8), now);
    expect(await verdict(token, 'read')).toMatchObject({
      ok: false,
      status: 401,
      reason: expect.stringMatching(/revoked/),
    });
  });

  it('that is rotated is valid for its grace, the new one for as long as the old one was', async () => {
    const first = await issueToken(store, { name: 'n', scopes: ['node'], node: 'n1', validMs: 10_000 }, now);
    now += 4000;
    const second = await rotateToken(store, tokenId(first.record), 2000, now);
    expect(second.record).toMatchObject({ name: 'n', scopes: ['node'], node: 'n1', expiresAt: now + 10_000 });
    for (const token of [first.token, second.token])
      expect(await verdict(token, 'node', 'n1')).toMatchObject({ ok: true });
    now += 2000;
    expect(await verdict(first.token, 'node', 'n1')).toMatchObject({ ok: false, status: 401 });
    expect(await verdict(second.token, 'node', 'n1')).toMatchObject({ ok: true });
    await expect(rotateToken(store, tokenId(first.record), 1, now)).rejects.toThrow(/expired: create a new one/);
    // A grace never prolongs a token.
    const third = await rotateToken(store, tokenId(second.record), 1e9, now);
    expect(third.old.expiresAt).toBe(second.record.expiresAt);
  });
});

describe('verifying', () => {
  it.each([
    undefined,
    '',
    'Bearer',
    'Basic pfl_x',
    'Bearer secret',
    `Bearer pfl_${'x'.repeat(42)}`,
    `pfl_${'x'.repeat(43)}`,
  ])('refuses the header %s without asking the store', async (authorization) => {
    expect(await verifier().verify(authorization, { scope: 'read' })).toMatchObject({ ok: false, status: 401 });
    expect(store.asked).toBe(0);
  });

  it('reads the header as RFC 6750 has it', () => {
    const token = `pfl_${'x'.repeat(43)}`;
    for (const text of [`Bearer ${token}`, `bearer  ${token} `]) expect(bearerToken(text)).toBe(token);
  });

  it('asks the store once a while for a token that exists, and always for one that does not', async () => {
    const { token, record } = await issueToken(store, { name: 'x', scopes: ['read'] }, now);
    const cached = verifier(5000);
    const ask = async (text: string) => (await cached.verify(header(text), { scope: 'read' })).ok;
    expect([await ask(token), await ask(token), store.asked]).toEqual([true, true, 1]);
    store.away = true;
    expect(await ask(token)).toBe(true);
    store.away = false;
    await store.revoke(record.hash, now);
    now += 5000;
    expect(await ask(token)).toBe(false);
    const guess = `pfl_${'x'.repeat(43)}`;
    const before = store.asked;
    expect([await ask(guess), await ask(guess), store.asked - before]).toEqual([false, false, 2]);
  });

  it('rejects while the store is away: that is no refusal', async () => {
    store.away = true;
    await expect(verifier().verify(header(`pfl_${'x'.repeat(43)}`), { scope: 'read' })).rejects.toThrow('away');
  });
});

describe('scopes', () => {
  it('are read from a list, each once', () => {
    expect(parseScopes('read, sql,read')).toEqual(['read', 'sql']);
    expect(() => parseScopes('read,root')).toThrow(/unknown scope root: the scopes are ingest, read/);
  });
});
