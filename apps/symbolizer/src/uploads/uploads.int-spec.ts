import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { createBinaryStore, openDirectoryStore } from '@perfleet/binary-store';
import { openRedisNodeState, openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { createSymbolizer, identify, LocalBinaries } from '@perfleet/symbols';
import { startRedis, tempDir, type TestRedis } from '@perfleet/testing';
import { issueToken, revokeToken, tokenId } from '@perfleet/tokens';
import { CHUNK_BYTES } from '@perfleet/uploads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UploadedBinaries } from './uploaded-binaries.ts';
import { compile, hashOf, symbolAddress, TestNode } from './uploads.fixture.ts';
import { Uploads, type UploadsOptions } from './uploads.ts';

const LIBRARY = '1122334455667788';
const dir = tempDir('perfleet-uploads-');
let redis: TestRedis;
let program: Buffer;
let content: string;
beforeAll(async () => {
  redis = await startRedis();
  program = compile(
    join(dir.path, 'real'),
    'int read_all(void) { return 1; } int main(void) { return read_all(); }',
    LIBRARY,
  );
  ({ content } = await identify(join(dir.path, 'real'), true));
});
afterAll(async () => {
  await redis.stop();
  dir.remove();
});

describe.each(['SQLite', 'Redis'])('uploads, state in %s', (kind) => {
  let root: string;
  let state: NodeStateStore;
  let url: string;
  let uploads: Uploads;
  let came: string[];
  let node: TestNode;
  const opened: Array<() => Promise<void>> = [];
  let tests = 0;

  const open = async (limits: UploadsOptions['limits'] = {}) => {
    const store =
      kind === 'SQLite'
        ? openSqliteNodeState({ path: join(root, 'state.db') })
        : openRedisNodeState({ url: redis.url, prefix: root, timeoutMs: 10_000 });
    const binaries = createBinaryStore({
      objects: openDirectoryStore({ path: join(root, 'store') }),
      quotaBytes: 100 << 20,
      retentionMs: 1e12,
    });
    const instance = new Uploads(
      {
        ...{ tokens: store.tokens, leases: store.uploads, binaries, corruptObjects: () => 0 },
        ...{ workDir: join(root, 'work'), host: '127.0.0.1', port: 0, limits },
      },
      createLogger('test', { level: 'silent' }),
      (gnu) => came.push(gnu),
    );
    const address = await instance.open();
    opened.push(async () => {
      await instance.close();
      await store.close();
    });
    return { address, instance, store };
  };
  const enrol = async (name: string, address = url) =>
    new TestNode(address, (await issueToken(state.tokens, { name, scopes: ['node'], node: name })).token);

  beforeEach(async () => {
    root = join(dir.path, `${kind}-${tests++}`);
    came = [];
    ({ address: url, instance: uploads, store: state } = await open());
    node = await enrol('n1');
  });
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
  });

  const request = (size = program.length) => ({ gnu: LIBRARY, content, size });
  const stored = (of = content, gnu = LIBRARY) => join(root, 'store', `gnu-${gnu}`, of);

  it('are one for a thousand requests of nodes that ask two symbolizers at once', async () => {
    const { address } = await open();
    // Fifty nodes that ask twenty times each.
    const nodes = await Promise.all(Array.from({ length: 50 }, (_, i) => enrol(`m${i}`, [url, address][i % 2])));
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => nodes[i % 50]!.lease(request())));
    const granted = answers.flatMap((answer) => (answer.answer === 'granted' ? [answer.upload] : []));
    // The node that has the lease gets it again each time that it asks.
    expect(new Set(granted).size).toBe(1);
    expect(granted).toHaveLength(20);
    expect(answers.filter(({ answer }) => answer === 'busy')).toHaveLength(980);
    const holder = nodes.find((_, i) => answers[i]!.answer === 'granted')!;
    await holder.chunk(granted[0]!, 0, program);
    expect(await holder.finish(granted[0]!, program)).toEqual({ status: 200, body: { first: true } });
    const after = await Promise.all(nodes.map((other) => other.lease(request())));
    expect(new Set(after.map(({ answer }) => answer))).toEqual(new Set(['have']));
  }, 60_000);

  it('become the file of their build id and content', async () => {
    expect(await node.upload({ gnu: LIBRARY, content }, program)).toEqual({ status: 200, body: { first: true } });
    expect(readFileSync(stored()).equals(program)).toBe(true);
    expect(came).toEqual([LIBRARY]);
    expect(uploads.stats()).toMatchObject({ stored: 1, conflicts: 0, chunks: 1, refused: {}, leases: { granted: 1 } });
    expect(readdirSync(join(root, 'store', 'parts'))).toEqual([]);
  });

  it('go on where they were cut, at another symbolizer', async () => {
    const large = Buffer.concat([program, randomBytes(2 * CHUNK_BYTES)]);
    const upload = await node.granted(request(large.length));
    await node.chunk(upload, 2, large);
    await node.chunk(upload, 0, large);
    const missing = await node.finish(upload, large);
    expect(missing).toMatchObject({ status: 409, body: { error: '1 of 3 chunks are missing, the first is 1' } });
    const { address } = await open();
    const again = await enrol('n1', address);
    expect(await again.granted(request(large.length))).toBe(upload);
    expect((await again.send('GET', `/api/v1/uploads/${upload}`)).body).toEqual({ chunks: [0, 2] });
    await again.chunk(upload, 1, large);
    expect((await again.finish(upload, large)).status).toBe(200);
    expect(readFileSync(stored()).equals(large)).toBe(true);
  });

  describe('are refused', () => {
    const refused = async (gnu: string, file: Buffer, of: string, refusal: string, reason: RegExp) => {
      const answer = await node.upload({ gnu, content: of }, file);
      expect(answer).toMatchObject({ status: 422, body: { error: expect.stringMatching(reason) } });
      expect(uploads.stats().refused).toEqual({ [refusal]: 1 });
      expect(existsSync(stored(of, gnu))).toBe(false);
      expect(await state.uploads.contents(gnu)).toEqual([]);
      expect(await state.uploads.refusal(gnu)).toMatch(reason);
      expect(came).toEqual([]);
      // Nothing is left over, and the next one may try.
      expect(readdirSync(join(root, 'store', 'parts'))).toEqual([]);
      expect((await (await enrol('n9')).lease({ gnu, content: of, size: 1 })).answer).toBe('granted');
    };

    it('when the file has another build id than was said', () =>
      refused('deadbeef00', program, content, 'build-id', /its own build id is 1122334455667788, not deadbeef00/));
    it('when its code is another than was said', () =>
      refused(LIBRARY, program, 'ab'.repeat(16), 'content', new RegExp(`its code is ${content}, not abab`)));
    it('when they are no ELF file', () =>
      refused(LIBRARY, randomBytes(5000), content, 'unusable', /no usable ELF file/));
    it('when they were cut short', () =>
      refused(LIBRARY, program.subarray(0, 700), content, 'unusable', /no usable ELF file/));

    it('when the whole is not what its parts were', async () => {
      const upload = await node.granted(request());
      await node.chunk(upload, 0, program);
      const answer = await node.finish(upload, Buffer.from('other'));
      expect(answer).toMatchObject({ status: 422, body: { error: expect.stringMatching(/^its SHA-256 is/) } });
      expect(uploads.stats().refused).toEqual({ hash: 1 });
    });

    it('when they claim absurd sizes, before anything is sent', async () => {
      for (const size of [2 ** 31, Number.MAX_SAFE_INTEGER, (100 << 20) + 1])
        expect(await node.lease(request(size))).toMatchObject({
          answer: 'refused',
          reason: `${size} bytes are more than the 104857600 that one binary may have`,
        });
      for (const size of [0, -1, 1.5, 1e300])
        expect((await node.json('/api/v1/leases', request(size))).status).toBe(400);
    });

    it('when a node sent enough for a day', async () => {
      const { address } = await open({ bytesPerNodeAndDay: 10_000 });
      const greedy = await enrol('n2', address);
      expect(await greedy.lease({ ...request(9000), content: 'aa'.repeat(16) })).toMatchObject({ answer: 'granted' });
      expect(await greedy.lease({ ...request(9000), content: 'bb'.repeat(16) })).toEqual({
        answer: 'refused',
        reason: 'node n2 may upload 10000 bytes a day (UTC)',
      });
    });
  });

  describe('chunks', () => {
    const bomb = zstdCompressSync(Buffer.alloc(600 << 20));
    const send = async (body: Uint8Array, hash: string, index = 0) =>
      node.body(await node.granted(request(2 * CHUNK_BYTES)), index, body, hash);
    const chunk = Buffer.alloc(CHUNK_BYTES, 7);
    it.each<[string, () => Promise<unknown>, number, RegExp]>([
      ['that unpack to more', () => send(bomb, hashOf(chunk)), 422, /unpacks to more than its 4194304 bytes/],
      [
        'that unpack to less',
        () => send(zstdCompressSync(chunk.subarray(1)), hashOf(chunk)),
        422,
        /4194303 bytes instead/,
      ],
      ['that are no zstd', () => send(randomBytes(100), hashOf(chunk)), 422, /no zstd frame/],
      [
        'with another hash',
        () => send(zstdCompressSync(chunk), hashOf(bomb)),
        422,
        /SHA-256 of chunk 0 is .* send it again/,
      ],
      ['without a hash', () => send(zstdCompressSync(chunk), 'x'), 400, /is no SHA-256/],
      ['beyond the file', () => send(zstdCompressSync(chunk), hashOf(chunk), 2), 422, /chunk 2 of an upload of 2/],
      ['with an index that is none', () => send(zstdCompressSync(chunk), hashOf(chunk), NaN), 422, /chunk NaN/],
      ['longer than any', () => send(randomBytes(5 << 20), hashOf(chunk)), 413, /large/],
    ])('%s are refused', async (_, run, status, error) => {
      expect(await run()).toMatchObject({ status, body: { error: expect.stringMatching(error) } });
      expect(uploads.stats().chunks).toBe(0);
    });
  });

  it('belong to the node that has the lease, and to nobody without a node token', async () => {
    const upload = await node.granted(request());
    const other = await enrol('n2');
    expect((await other.chunk(upload, 0, program)).status).toBe(404);
    expect((await other.send('GET', `/api/v1/uploads/${upload}`)).status).toBe(404);
    expect((await other.finish(upload, program)).status).toBe(404);
    const issued = await issueToken(state.tokens, { name: 'ops', scopes: ['admin'] });
    expect((await new TestNode(url, issued.token).json('/api/v1/leases', request())).status).toBe(403);
    expect((await new TestNode(url, 'guess').json('/api/v1/leases', request())).status).toBe(401);
    expect((await fetch(`${url}/api/v1/leases`, { method: 'POST' })).status).toBe(401);
    const stolen = await issueToken(state.tokens, { name: 'n3', scopes: ['node'], node: 'n3' });
    await revokeToken(state.tokens, tokenId(stolen.record));
    expect((await new TestNode(url, stolen.token).json('/api/v1/leases', request())).status).toBe(401);
    expect(uploads.stats().denied).toBe(4);
  });

  it('of other code under a build id that is known stay apart, and name nothing', async () => {
    const evil = join(dir.path, `evil-${kind}`);
    const fake = compile(evil, 'int give_root(void) { return 2; } int main(void) { return give_root(); }', LIBRARY);
    const other = await identify(evil, true);
    expect(other).toMatchObject({ gnuBuildId: LIBRARY });
    await node.upload({ gnu: LIBRARY, content }, program);
    const container = await enrol('n2');
    expect(await container.upload({ gnu: LIBRARY, content: other.content }, fake)).toEqual({
      status: 200,
      body: { first: false },
    });
    expect(came).toEqual([LIBRARY]);
    expect(uploads.stats()).toMatchObject({ stored: 2, conflicts: 1 });
    expect([readFileSync(stored()).equals(program), readFileSync(stored(other.content)).equals(fake)]).toEqual([
      true,
      true,
    ]);

    // Also for a symbolizer that starts now.
    const binaries = createBinaryStore({
      objects: openDirectoryStore({ path: join(root, 'store') }),
      quotaBytes: 1e9,
      retentionMs: 1e12,
    });
    const local = new LocalBinaries(undefined, false);
    const source = new UploadedBinaries({ leases: state.uploads, binaries, local, binariesDir: '' });
    const warnings: string[] = [];
    const symbolizer = createSymbolizer({ source, onWarning: (text) => warnings.push(text) });
    const ask = (address: bigint) =>
      symbolizer.resolve({ binaryId: `gnu:${LIBRARY}`, path: evil, pids: [] }, [address]);
    const [answer] = await ask(symbolAddress(join(dir.path, 'real'), 'read_all'));
    expect(answer!.chain[0]![0]).toBe('read_all');
    expect(answer!.reason).toBe(`other code claims this build id: ${other.content}`);
    expect(warnings).toHaveLength(1);
    symbolizer.close();
  });

  it('come after what the operator put into a directory, and before files of the machine', async () => {
    const [evil, dirOfOperator] = [join(dir.path, `sent-${kind}`), join(root, 'operator')];
    const fake = compile(evil, 'int sent_by_node(void) { return 2; } int main(void) { return 3; }', LIBRARY);
    await node.upload({ gnu: LIBRARY, content: (await identify(evil, true)).content }, fake);
    const here = join(dir.path, 'real');
    const binaries = createBinaryStore({
      objects: openDirectoryStore({ path: join(root, 'store') }),
      quotaBytes: 1e9,
      retentionMs: 1e12,
    });
    const placeOf = async (binariesDir: string) => {
      const local = new LocalBinaries(binariesDir || undefined);
      const source = new UploadedBinaries({ leases: state.uploads, binaries, local, binariesDir });
      return source.locate({ binaryId: `gnu:${LIBRARY}`, path: here, pids: [] });
    };
    expect(await placeOf('')).toMatchObject({
      path: stored((await identify(evil, true)).content),
      conflicts: [content],
    });
    mkdirSync(dirOfOperator);
    expect(await placeOf(dirOfOperator)).toMatchObject({ path: expect.stringContaining('/store/') });
    copyFileSync(here, join(dirOfOperator, `gnu-${LIBRARY}`));
    expect(await placeOf(dirOfOperator)).toMatchObject({ path: join(dirOfOperator, `gnu-${LIBRARY}`) });
  });

  it('that came to nothing are the reason why names are missing', async () => {
    await node.upload({ gnu: 'deadbeef00', content }, program);
    const binaries = createBinaryStore({
      objects: openDirectoryStore({ path: join(root, 'store') }),
      quotaBytes: 1e9,
      retentionMs: 1e12,
    });
    const local = new LocalBinaries(undefined, false);
    const source = new UploadedBinaries({ leases: state.uploads, binaries, local, binariesDir: '' });
    const [answer] = await createSymbolizer({ source }).resolve({ binaryId: 'gnu:deadbeef00', path: '/x', pids: [] }, [
      1n,
    ]);
    expect(answer).toEqual({
      quality: 0,
      chain: [],
      reason: `upload refused: its own build id is ${LIBRARY}, not deadbeef00`,
    });
  });
});
