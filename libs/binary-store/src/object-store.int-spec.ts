import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, tempDir } from '@perfleet/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createBinaryStore } from './binary-store.ts';
import { openDirectoryStore } from './directory.ts';
import { BinaryStoreError, type ObjectStore } from './object-store.ts';
import { openS3Store } from './s3.ts';
import { startS3, type TestS3 } from './s3-server.fixture.ts';

const dir = tempDir('perfleet-store-');
let s3: TestS3;
let stores = 0;
beforeAll(async () => {
  s3 = await startS3();
});
afterAll(async () => {
  await s3.stop();
  dir.remove();
});

const source = (bytes: Buffer) => {
  const path = join(dir.path, `source-${randomBytes(4).toString('hex')}`);
  writeFileSync(path, bytes);
  return { path };
};
const opened = (name: string, at: number, onCorrupt?: (key: string) => void, cacheBytes?: number): ObjectStore =>
  name === 'a directory'
    ? openDirectoryStore({ path: join(dir.path, `store-${at}`), onCorrupt })
    : openS3Store({
        ...{ bucket: s3.bucket, endpoint: s3.endpoint, credentials: s3.credentials, prefix: `test-${at}/` },
        ...{ cacheDir: join(dir.path, `cache-${at}-${Math.random()}`), cacheBytes, onCorrupt },
      });
/** The file below `root` that holds exactly these bytes. */
const fileWith = (root: string, bytes: Buffer) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .find((path) => statSync(path).isFile() && readFileSync(path).equals(bytes))!;

describe.each(['a directory', 'S3'])('objects in %s', (name) => {
  let at: number;
  let store: ObjectStore;
  let corrupt: string[];
  const medium = () => (name === 'S3' ? s3.directory : store.place);
  beforeEach(() => {
    at = stores++;
    corrupt = [];
    store = opened(name, at, (key) => corrupt.push(key));
    return () => store.close();
  });

  it('are read as they were put, from a file and from memory, by another opener too', async () => {
    const bytes = randomBytes(300_000);
    await store.put('gnu-aa/bb', source(bytes));
    await store.put('parts/u/000001', { bytes: Buffer.from('part') });
    const other = opened(name, at);
    for (const reader of [store, other]) {
      expect(readFileSync((await reader.file('gnu-aa/bb'))!).equals(bytes)).toBe(true);
      expect((await reader.bytes('parts/u/000001'))!.toString()).toBe('part');
      expect([await reader.has('gnu-aa/bb'), await reader.has('gnu-aa/b')]).toEqual([true, false]);
      expect([await reader.file('gnu-aa/cc'), await reader.bytes('gnu-aa/cc')]).toEqual([null, null]);
    }
    other.close();
  });

  it('are listed by prefix with their sizes, and gone when removed', async () => {
    for (const key of ['gnu-aa/b1', 'gnu-aa/b2', 'gnu-ab/b1', 'parts/u/000001'])
      await store.put(key, { bytes: Buffer.from(key) });
    const keys = async (prefix: string) => (await store.list(prefix)).map((o) => `${o.key} ${o.size}`).sort();
    expect(await keys('gnu-aa/')).toEqual(['gnu-aa/b1 9', 'gnu-aa/b2 9']);
    expect(await keys('gnu-')).toEqual(['gnu-aa/b1 9', 'gnu-aa/b2 9', 'gnu-ab/b1 9']);
    await store.remove('gnu-aa/b1');
    await store.remove('gnu-aa/b1');
    expect(await keys('gnu-aa/')).toEqual(['gnu-aa/b2 9']);
    expect(await store.has('gnu-aa/b1')).toBe(false);
    expect(await keys('nothing/')).toEqual([]);
  });

  it('are replaced whole', async () => {
    await store.put('gnu-aa/bb', { bytes: Buffer.from('one') });
    expect(readFileSync((await store.file('gnu-aa/bb'))!, 'utf8')).toBe('one');
    await store.put('gnu-aa/bb', { bytes: Buffer.from('two') });
    expect(readFileSync((await store.file('gnu-aa/bb'))!, 'utf8')).toBe('two');
  });

  it('are never read when they changed on the medium: they are removed and told of', async () => {
    const [file, part] = [randomBytes(5000), randomBytes(50)];
    await store.put('gnu-aa/bb', source(file));
    await store.put('parts/u/000001', { bytes: part });
    for (const bytes of [file, part]) {
      const broken = Buffer.from(bytes);
      broken[17]! ^= 1;
      writeFileSync(fileWith(medium(), bytes), broken);
    }
    expect([await store.file('gnu-aa/bb'), await store.bytes('parts/u/000001')]).toEqual([null, null]);
    expect(corrupt).toEqual(['gnu-aa/bb', 'parts/u/000001']);
    expect(await store.has('gnu-aa/bb')).toBe(false);
  });

  it('are used when touched', async () => {
    await store.put('gnu-aa/bb', { bytes: Buffer.from('x') });
    const [before] = await store.list('gnu-aa/');
    // S3 keeps whole seconds.
    await expect
      .poll(() => Date.now(), { timeout: 5000, interval: 50 })
      .toBeGreaterThan(before!.usedAt + (name === 'S3' ? 2000 : 20));
    await store.touch('gnu-aa/bb');
    expect((await store.list('gnu-aa/'))[0]!.usedAt).toBeGreaterThan(before!.usedAt);
    expect((await store.bytes('gnu-aa/bb'))!.toString()).toBe('x');
  });

  it('have keys that lead nowhere else', async () => {
    for (const key of ['../x/y', '/etc/passwd', 'a/../../b', 'a', 'a//b', 'A/b', 'a/b.note', '.incoming-1/x'])
      await expect(Promise.resolve().then(() => store.put(key, { bytes: Buffer.from('x') }))).rejects.toThrow(
        'not a key',
      );
  });
});

describe.each(['a directory', 'S3'])('binaries in %s', (name) => {
  const [A, B, C] = ['aa', 'bb', 'cc'].map((pair) => pair.repeat(10)) as [string, string, string];
  const binaries = (quotaBytes: number, retentionMs = 1e12, now: () => number = Date.now) =>
    createBinaryStore({ objects: opened(name, stores++), quotaBytes, retentionMs, now });

  it('never get another file under the same build id and content', async () => {
    const store = binaries(1e6);
    expect(await store.put(A, B, source(Buffer.from('one')).path)).toBe(true);
    expect(await store.put(A, B, source(Buffer.from('two')).path)).toBe(false);
    expect(await store.put(A, C, source(Buffer.from('three')).path)).toBe(true);
    expect(readFileSync((await store.file(A, B))!, 'utf8')).toBe('one');
    expect(readFileSync((await store.file(A, C))!, 'utf8')).toBe('three');
    expect(await store.file(B, A)).toBeNull();
    store.close();
  });

  it('go by last use when the quota is reached, never the one that just came', async () => {
    const store = binaries(250);
    const put = (id: string, size: number) => store.put(id, C, source(randomBytes(size)).path);
    await put(A, 100);
    await put(B, 100);
    const since = Date.now();
    // S3 keeps whole seconds.
    await expect.poll(() => Date.now(), { timeout: 5000, interval: 50 }).toBeGreaterThan(since + 2000);
    await store.file(A, C);
    await put(C, 100);
    expect(await store.sweep()).toMatchObject({ binaries: 2, bytes: 200, evicted: 0 });
    expect(await store.has(C, C)).toBe(true);
    expect([await store.has(A, C), await store.has(B, C)]).toEqual([true, false]);
    await put(B, 500);
    expect([await store.has(A, C), await store.has(B, C), await store.has(C, C)]).toEqual([false, true, false]);
    store.close();
  });

  it('go when nobody used them for long, and unfinished uploads with them', async () => {
    let now = Date.now();
    const store = binaries(1e6, 1e9, () => now);
    await store.put(A, B, source(Buffer.from('x')).path);
    await store.putPart('u', 3, Buffer.from('3'));
    await store.putPart('u', 1, Buffer.from('1'));
    await store.putPart('v', 1, Buffer.from('v'));
    expect(await store.parts('u')).toEqual([1, 3]);
    expect((await store.part('u', 3))!.toString()).toBe('3');
    await store.dropParts('u');
    expect([await store.parts('u'), await store.parts('v')]).toEqual([[], [1]]);
    expect(await store.sweep()).toEqual({ binaries: 1, bytes: 1, evicted: 0 });
    now += 2 * 86_400_000;
    expect(await store.sweep()).toMatchObject({ binaries: 1, evicted: 0 });
    expect(await store.parts('v')).toEqual([]);
    now += 1e9;
    expect(await store.sweep()).toEqual({ binaries: 0, bytes: 0, evicted: 1 });
    store.close();
  });
});

describe('a store that is away', () => {
  it('says where it is and why', async () => {
    const file = join(dir.path, 'a-file');
    writeFileSync(file, '');
    const directory = openDirectoryStore({ path: join(file, 'below') });
    await expect(directory.put('a/b', { bytes: Buffer.from('x') })).rejects.toThrow(
      /^store of binaries at .*below: ENOTDIR/,
    );
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const gone = openS3Store({
      ...{ bucket: 'b', endpoint, credentials: { accessKeyId: 'x', secretAccessKey: 'y' }, cacheDir: dir.path },
    });
    await expect(gone.has('a/b')).rejects.toThrow(BinaryStoreError);
    await expect(gone.has('a/b')).rejects.toThrow(/^store of binaries at s3:\/\/b\/: .*ECONNREFUSED/);
    gone.close();
  });
});

describe('the cache of S3', () => {
  it('keeps its bound', async () => {
    const at = stores++;
    const store = opened('S3', at, undefined, 250);
    for (const key of ['a/b', 'a/c', 'a/d']) {
      await store.put(key, { bytes: randomBytes(100) });
      await store.file(key);
    }
    const cache = readdirSync(dir.path).find((entry) => entry.startsWith(`cache-${at}-`))!;
    expect(readdirSync(join(dir.path, cache, 'a')).filter((entry) => !entry.endsWith('.note'))).toEqual(['c', 'd']);
    expect(await store.file('a/b')).not.toBeNull();
    store.close();
  });
});
