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

type More = Partial<Parameters<typeof createPodNames>[0]> & { silentMs?: number };

async function start({ silentMs, ...more }: More = {}): Promise<void> {
  const tokenFile = join(dir.path, 'token');
  const source = apiServerSource({
    server: url,
    nodeName: 'n1',
    tokenFile,
    caFile: join(dir.path, 'ca.pem'),
    silentMs,
  });
  names = createPodNames({
    ...{ sources: [source], everyMs: 400, minMs: 0, timeoutMs: 300, followAgainMs: 20 },
    onChange: (status) => changes.push(status),
    ...more,
  });
  await names.start();
}
const until = (what: string, condition: () => unknown) => waitFor(condition, { timeoutMs: 10_000, what });
/** Pods of the last answer: asking for one that is not there yet would make it be listed. */
const told = () => names.status()[0]!.pods;
const named = (uid: string) => names.lookup(uid, null)?.pod;

describe('names from the API server', () => {
  it('follow what is created, changed and deleted, without asking again', async () => {
    server.put(pod(1));
    await start({ everyMs: 3_600_000, timeoutMs: 5000 });
    expect(named('u-1')).toBe('web-1');
    await until('a watch', () => server.watchers === 1);
    server.put(pod(2));
    await until('the new pod', () => told() === 2);
    expect(named('u-2')).toBe('web-2');
    server.put(pod(2, { container: { name: 'app', id: ID } }));
    await until('its container', () => names.lookup('u-2', ID)?.container === 'app');
    server.delete('u-1');
    await until('one less', () => told() === 1);
    server.put(pod(3));
    await until('the third pod', () => told() === 2);
    expect(named('u-3')).toBe('web-3');
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

  it('list again after a silence that a living watch does not have', async () => {
    server.put(pod(1));
    await start({ everyMs: 3_600_000, timeoutMs: 5000, silentMs: 300 });
    await until('a watch', () => server.watchers === 1);
    server.muteWatches();
    server.put(pod(2));
    await until('the pod that the watch kept to itself', () => named('u-2'));
    await until('the dead watch to be left', () => server.muted === 0);
    await until('another watch', () => server.watchers === 1);
    expect(changes.map(({ ok }) => ok)).toEqual([true]);
    expect(server.refused).toEqual([]);
  });

  it('follow one watch for as long as it lives, however little happens', async () => {
    await start({ everyMs: 3_600_000, timeoutMs: 5000, silentMs: 3000 });
    await until('a watch', () => server.watchers === 1);
    const begin = performance.now();
    const bookmarks = setInterval(() => server.sendBookmarks(), 50);
    await until('a time in which a silent watch would have ended', () => performance.now() - begin > 3500);
    clearInterval(bookmarks);
    expect([server.lists, server.watches]).toEqual([1, 1]);
  });

  it('are asked for at once when a sample shows a pod that the watch did not tell of', async () => {
    server.put(pod(1));
    await start({ everyMs: 3_600_000, timeoutMs: 5000 });
    await until('a watch', () => server.watchers === 1);
    server.muteWatches();
    server.put(pod(2));
    await until('the pod', () => named('u-2'));
    await until('the dead watch to be left', () => server.muted === 0);
    await until('another watch', () => server.watchers === 1);
    server.put(pod(3));
    await until('a pod by the new watch', () => named('u-3'));
    expect(server.refused).toEqual([]);
  });

  it('are asked for once when nobody knows the pod, and the watch stays', async () => {
    await start({ everyMs: 3_600_000, timeoutMs: 5000 });
    await until('a watch', () => server.watchers === 1);
    expect(named('u-9')).toBeUndefined();
    await until('the question', () => server.lists === 2);
    for (let i = 0; i < 10; i++) expect(named('u-9')).toBeUndefined();
    server.put(pod(1));
    await until('a pod by the watch', () => told() === 1);
    expect(named('u-1')).toBe('web-1');
    expect([server.lists, server.watches]).toEqual([2, 1]);
  });

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
