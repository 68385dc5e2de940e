import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiServerSource, kubeletSource } from './http-source.ts';
import { logFilesSource } from './log-files.ts';
import { createPodNames } from './pod-names.ts';

const ID = 'c'.repeat(64);
let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'perfleet-pods-'))));
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('log files', () => {
  it('names containers, and pods where the links can be read', async () => {
    await symlink(`/var/log/pods/shop_web-1_u-1/app/0.log`, join(dir, `web-1_shop_app-${ID}.log`));
    await writeFile(join(dir, `db-0_data_pg-${'d'.repeat(64)}.log`), '');
    await writeFile(join(dir, 'other.txt'), '');
    const names = createPodNames({ sources: [logFilesSource(dir)] });
    await names.start();
    expect(names.lookup('u-1', null)).toEqual({ namespace: 'shop', pod: 'web-1' });
    expect(names.lookup(null, ID)).toEqual({ namespace: 'shop', pod: 'web-1', container: 'app' });
    expect(names.lookup(null, 'd'.repeat(64))).toEqual({ namespace: 'data', pod: 'db-0', container: 'pg' });
    names.stop();
  });

  it('reports a directory that is not there', async () => {
    const names = createPodNames({ sources: [logFilesSource(join(dir, 'none'))] });
    await names.start();
    expect(names.status()).toMatchObject([
      { source: 'log-files', ok: false, error: expect.stringContaining('ENOENT') },
    ]);
    names.stop();
  });
});

describe('a list of pods over HTTP', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  const serve = async (answer: (request: IncomingMessage, response: ServerResponse) => void) => {
    server = createServer(answer);
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const tokenFile = async () => {
    await writeFile(join(dir, 'token'), 'secret\n');
    return join(dir, 'token');
  };

  it('asks for the pods of this node with the token of the moment', async () => {
    const items = [{ metadata: { name: 'web', namespace: 'shop', uid: 'u' } }];
    let seen: IncomingMessage | undefined;
    const url = await serve((request, response) => ((seen = request), response.end(JSON.stringify({ items }))));
    const source = apiServerSource({ server: url, nodeName: 'node a', tokenFile: await tokenFile() });
    expect(await source.list(AbortSignal.timeout(5000))).toMatchObject([{ pod: 'web', uids: ['u'] }]);
    expect(new URL(seen!.url!, url).searchParams.get('fieldSelector')).toBe('spec.nodeName=node a');
    expect(seen!.headers.authorization).toBe('Bearer secret');
  });

  it('says what to grant when it is refused, and is bounded in size and time', async () => {
    const file = await tokenFile();
    const forbidden = await serve((_, response) => response.writeHead(403).end());
    const source = apiServerSource({ server: forbidden, nodeName: 'n', tokenFile: file });
    await expect(source.list(AbortSignal.timeout(5000))).rejects.toThrow('may not list pods');
    server!.close();

    const large = await serve((_, response) => response.end(' '.repeat(4096)));
    const bounded = kubeletSource({ url: large, tokenFile: file, maxBodyBytes: 1024 });
    await expect(bounded.list(AbortSignal.timeout(5000))).rejects.toThrow('larger than 1024');
    server!.close();

    const silent = await serve(() => undefined);
    const names = createPodNames({ sources: [kubeletSource({ url: silent, tokenFile: file })], timeoutMs: 50 });
    await names.start();
    expect(names.status()).toMatchObject([{ ok: false }]);
    names.stop();
  });
});
