import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeApiServer, type FakePod } from './fake-api-server.ts';
import { apiServerSource } from './http-source.ts';
import type { SourceStatus } from './model.ts';
import { createPodNames, type PodNames } from './pod-names.ts';

const ID = 'c'.repeat(64);
const pod = (n: number, more: Partial<FakePod> = {}): FakePod => ({
  ...{ name: `web-${n}`, namespace: 'shop', uid: `u-${n}` },
  ...more,
});

let dir: ReturnType<typeof tempDir>;
let server: FakeApiServer;
let url: string;
let names: PodNames;
let changes: SourceStatus[];
beforeEach(async () => {
  dir = tempDir();
  writeFileSync(join(dir.path, 'token'), 'secret\n');
  changes = [];
  server = new FakeApiServer({ node: 'n1', token: 'secret' });
  url = await server.start();
});
afterEach(async () => {
  names?.stop();
  await server.stop();
  dir.remove();
});

async function start(more: Partial<Parameters<typeof createPodNames>[0]> = {}): Promise<void> {
  const tokenFile = join(dir.path, 'token');
  const source = apiServerSource({ server: url, nodeName: 'n1', tokenFile, caFile: join(dir.path, 'ca.pem') });
  names = createPodNames({
    ...{ sources: [source], everyMs: 400, minMs: 0, timeoutMs: 300, followAgainMs: 20 },
    onChange: (status) => changes.push(status),
    ...more,
  });
  await names.start();
}
const until = (what: string, condition: () => unknown) => waitFor(condition, { timeoutMs: 10_000, what });
const named = (uid: string) => names.lookup(uid, null)?.pod;

describe('names from the API server', () => {
  it('follow what is created, changed and deleted, without asking again', async () => {
    server.put(pod(1));
    await start({ everyMs: 3_600_000 });
    expect(named('u-1')).toBe('web-1');
    await until('a watch', () => server.watchers === 1);
    server.put(pod(2));
    await until('the new pod', () => named('u-2'));
    server.put(pod(2, { container: { name: 'app', id: ID } }));
    await until('its container', () => names.lookup('u-2', ID)?.container === 'app');
    server.delete('u-1');
    server.put(pod(3));
    await until('the third pod', () => named('u-3'));
    // Its last samples come later.
    expect(named('u-1')).toBe('web-1');
    expect([server.lists, server.watches, server.refused]).toEqual([1, 1, []]);
  });

  it.each(['closes', 'resets', 'gone'] as const)('list again when the watch %s, and miss nothing', async (how) => {
    server.put(pod(1));
    await start();
    await until('a watch', () => server.watchers === 1);
    server.endWatches(how);
    server.putSilently(pod(2));
    await until('the pod that was made meanwhile', () => named('u-2'));
    await until('another watch', () => server.watchers === 1);
    server.put(pod(3));
    await until('a pod by the new watch', () => named('u-3'));
    expect(changes.map(({ ok }) => ok)).toEqual([true]);
    expect(server.refused).toEqual([]);
  });

  it.each(['hangs', '500', 'garbage', 'cuts lists'] as const)(
    'stay while the server %s, and come back with it; said once each',
    async (trouble) => {
      server.put(pod(1));
      await start();
      await until('a watch', () => server.watchers === 1);
      server.trouble = trouble;
      server.endWatches('resets');
      await until('the loss to be seen', () => names.status()[0]!.ok === false);
      const before = server.lists;
      await until('two more attempts', () => server.lists >= before + 2);
      expect(named('u-1')).toBe('web-1');
      expect(names.status()[0]).toMatchObject({
        ok: false,
        answeredAt: expect.any(Number),
        error: expect.stringMatching(/./),
      });
      server.trouble = 'none';
      server.putSilently(pod(2));
      await until('the names to be back', () => named('u-2'));
      await until('the watch to be back', () => server.watchers === 1);
      expect(changes.map(({ ok }) => ok)).toEqual([true, false, true]);
    },
  );

  it('are there later when the server is away at the start', async () => {
    server.trouble = 'hangs';
    server.put(pod(1));
    await start();
    expect(named('u-1')).toBeUndefined();
    server.trouble = 'none';
    await until('the name', () => named('u-1'));
    expect(changes.map(({ ok }) => ok)).toEqual([false, true]);
  });
});

const openssl = requireTool('openssl');
describe.skipIf(!openssl.available)(`over TLS${openssl.reason && ` (skipped: ${openssl.reason})`}`, () => {
  const certificate = (name: string) => {
    const [key, cert] = [join(dir.path, `${name}.key`), join(dir.path, `${name}.pem`)];
    const subject = ['-subj', '/CN=kubernetes', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', key, '-out', cert];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
    execFileSync('openssl', ['req', '-x509', '-nodes', '-days', '1', ...kind, ...files, ...subject], {
      stdio: 'ignore',
    });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  };

  it('only a server whose certificate the CA signed is believed', async () => {
    await server.stop();
    server = new FakeApiServer({ node: 'n1', token: 'secret' }, certificate('ca'));
    url = await server.start();
    server.put(pod(1));
    await start();
    expect(named('u-1')).toBe('web-1');
    names.stop();
    certificate('ca');
    await start();
    expect(named('u-1')).toBeUndefined();
    expect(names.status()[0]!.error).toMatch(/certificate|signature/i);
  });
});
