import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteNodeState } from '@perfleet/node-state';
import { tempDir } from '@perfleet/testing';
import { createTokenVerifier } from '@perfleet/tokens';
import { afterAll, describe, expect, it } from 'vitest';
import { runPerfleet } from '../support/perfleet.ts';

const dir = tempDir();
afterAll(() => dir.remove());
const token = (...args: string[]) => runPerfleet(['token', ...args, '--data', dir.path]);

/** As a service would, which reads the same store. */
async function opens(text: string, node?: string): Promise<boolean> {
  const state = openSqliteNodeState({ path: join(dir.path, 'node-state.db') });
  try {
    const verifier = createTokenVerifier({ store: state.tokens });
    const verdict = await verifier.verify(`Bearer ${text.trim()}`, node ? { scope: 'node', node } : { scope: 'sql' });
    return verdict.ok;
  } finally {
    await state.close();
  }
}

describe('perfleet token', () => {
  it('creates, shows once, lists, rotates and revokes', async () => {
    const made = await token('create', '--node', 'worker-7', '--expires', '90d');
    expect(made.out).toMatch(/^pfl_[A-Za-z0-9_-]{43}\n$/);
    expect(made.err).toMatch(/worker-7, node, valid until .* UTC; it is not shown again/);
    expect(await opens(made.out, 'worker-7')).toBe(true);
    expect(await opens(made.out, 'worker-8')).toBe(false);

    const people = await token('create', '--name', 'grafana', '--scope', 'read,sql', '--json');
    const { id, token: text } = JSON.parse(people.out) as { id: string; token: string };
    expect(await opens(text)).toBe(true);

    const list = await token('list');
    expect(list.out).toMatch(/worker-7 +node +worker-7 .* valid\n[0-9a-f]{12} +grafana +read,sql .* valid/);
    expect(list.out).not.toContain(made.out.slice(4, 20));
    expect(readFileSync(join(dir.path, 'node-state.db')).includes(text.slice(4))).toBe(false);

    const rotated = await token('rotate', id.slice(0, 6), '--grace', '1h');
    expect(rotated.err).toMatch(new RegExp(`${id} is valid until`));
    expect([await opens(text), await opens(rotated.out)]).toEqual([true, true]);

    expect((await token('revoke', id)).out).toBe(`${id} (grafana) is revoked\n`);
    expect([await opens(text), await opens(rotated.out)]).toEqual([false, true]);
    const rows = JSON.parse((await token('list', '--json')).out) as Array<{ status: string }>;
    expect(rows.map(({ status }) => status)).toEqual(['valid', 'revoked', 'valid']);
  });

  it.each([
    [['create', '--name', 'x'], 'at least one scope'],
    [['create', '--scope', 'read'], '--name is missing'],
    [['create', '--name', 'x', '--scope', 'root'], 'unknown scope root: the scopes are ingest, read, sql, admin, node'],
    [['create', '--node', 'x', '--scope', 'node,read'], 'make a second token'],
    [['create', '--name', 'x', '--scope', 'read', '--expires', 'soon'], '--expires soon: expected a time such as'],
    [['revoke', 'ffff'], 'no token ffff: `perfleet token list` shows their ids'],
  ])('%j says what to do instead, in one line', async (args, message) => {
    const { code, out, err } = await token(...args);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^perfleet: [^\n]+\n$/);
    expect(err).toContain(message);
  });
});
