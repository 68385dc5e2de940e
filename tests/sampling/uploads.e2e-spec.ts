import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { NodeSummary, TopResponse } from '@perfleet/api-contract';
import { createBinaryStore, openDirectoryStore, type BinaryStore } from '@perfleet/binary-store';
import { createCollector, UploadClient, type CollectorApp, type CollectorDeps } from '@perfleet/collector';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { encodeWindow, samplerBinaryPath } from '@perfleet/sampler';
import { writeFakeSampler } from '@perfleet/sampler/testing';
import { createSymbolizerService, UploadedBinaries, type SymbolizerService } from '@perfleet/symbolizer';
import { createSymbolizer, LocalBinaries } from '@perfleet/symbols';
import { freePort, tempDir, waitFor } from '@perfleet/testing';
import { issueToken } from '@perfleet/tokens';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';

const SOURCE = `
volatile unsigned long sink;
__attribute__((noinline)) void burn_upstairs(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink += i * i; }
int main(void) { for (;;) burn_upstairs(1000000); }
`;
const NODE = 'edge-7';
const dir = tempDir('perfleet-uploads-e2e-');
const logger = createLogger('test', { level: 'silent' });
afterAll(() => dir.remove());

function compile(name: string): { readonly path: string; readonly gnu: string } {
  const path = join(dir.path, name);
  writeFileSync(`${path}.c`, SOURCE);
  execFileSync('gcc', ['-O1', '-g', '-static', '-fno-omit-frame-pointer', '-Wl,--build-id', '-o', path, `${path}.c`]);
  return { path, gnu: /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', path], { encoding: 'utf8' }))![1]! };
}

describe('a node whose binaries no symbolizer has', () => {
  let pipeline: Pipeline;
  let nodeState: NodeStateStore;
  let binaries: BinaryStore;
  let tokenFile: string;
  let tls: { cert: string; key: string };
  let program: { readonly path: string; readonly gnu: string };
  const children: ChildProcess[] = [];
  const symbolizers: SymbolizerService[] = [];
  const collectors: CollectorApp[] = [];
  let runs = 0;

  beforeAll(async () => {
    nodeState = openSqliteNodeState({ path: join(dir.path, 'state.db') });
    pipeline = await startPipeline({ nodeState });
    binaries = createBinaryStore({
      objects: openDirectoryStore({ path: join(dir.path, 'store') }),
      quotaBytes: 1e10,
      retentionMs: 1e12,
    });
    tokenFile = join(dir.path, 'token');
    writeFileSync(tokenFile, (await issueToken(nodeState.tokens, { name: '', scopes: ['node'], node: NODE })).token);
    const [cert, key] = [join(dir.path, 'cert.pem'), join(dir.path, 'key.pem')];
    const subject = ['-subj', '/CN=symbolizer', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject],
      {
        stdio: 'ignore',
      },
    );
    tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    program = compile('burn-upstairs');
  });
  afterEach(async () => {
    for (const collector of collectors.splice(0)) await collector.stop();
    for (const symbolizer of symbolizers.splice(0)) await symbolizer.stop();
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await pipeline?.stop();
    await nodeState?.close();
  });

  const run = (path: string) => {
    const child = spawn(path, { stdio: 'ignore' });
    children.push(child);
    return child;
  };
  const startSymbolizer = async (port = 0) => {
    const local = new LocalBinaries(undefined, false);
    const symbolizer = createSymbolizerService({
      ...{ stream: pipeline.stream, topicPrefix: '', instance: 'central', logger },
      symbols: createSymbolizer({
        source: new UploadedBinaries({ leases: nodeState.uploads, binaries, local, binariesDir: '' }),
      }),
      // Only the upload itself may bring the names within the time of this test.
      retryMs: 3_600_000,
      uploads: {
        ...{ tokens: nodeState.tokens, leases: nodeState.uploads, binaries, corruptObjects: () => 0 },
        ...{ workDir: join(dir.path, 'work'), host: '127.0.0.1', port, tls },
      },
    });
    symbolizers.push(symbolizer);
    return (await symbolizer.start()).uploadUrl!;
  };
  const startCollector = async (url: string, more: Partial<CollectorDeps> = {}) => {
    const client = new UploadClient({ url, token: () => readFileSync(tokenFile, 'utf8'), ca: tls.cert });
    const collector = createCollector({
      ...{ stream: pipeline.stream, topicPrefix: '', nodeState, node: NODE, cluster: '', kubernetes: 'no', logger },
      ...{ dataDir: join(dir.path, `collector-${runs++}`), rateHz: 99, windowSeconds: 1, doctor: false },
      uploads: { client, bytesPerSecond: 1e9, queueBytes: 1e9 },
      ...more,
    });
    collectors.push(collector);
    await collector.start();
    return collector;
  };
  /** A sampler that sees one process and one binary in it, again and again. */
  const fakeSampler = (pid: number, { path, gnu } = program, address = 1n) =>
    writeFakeSampler(dir.path, {
      behaviour: 'steady',
      everyMs: 50,
      windows: Array.from({ length: 10 }, (_, i) => {
        const start = BigInt(Date.now()) * 1_000_000n + BigInt(i);
        return encodeWindow({
          ...{ taken: i + 1, lost: {}, start, end: start + 1n, period: 10_000_000n },
          samples: [
            {
              ...{ process: { pid, comm: basename(path), executable: path }, count: 1 },
              stack: [{ kind: 'native', binary: { path, gnuBuildId: gnu }, address }],
            },
          ],
        });
      }),
    });
  const uploadedFiles = () => {
    const place = join(dir.path, 'store', `gnu-${program.gnu}`);
    return existsSync(place) ? readdirSync(place).filter((name) => !name.endsWith('.note')) : [];
  };

  it('keeps them while their process lives, and sends them when a symbolizer comes, also after a restart', async () => {
    const port = await freePort();
    const child = run(program.path);
    const dataDir = join(dir.path, 'keeps');
    const first = await startCollector(`https://127.0.0.1:${port}`, {
      dataDir,
      samplerBinary: fakeSampler(child.pid!),
    });
    await waitFor(() => first.stats().uploads!.queued === 1, { timeoutMs: 60_000, what: 'the binary in the queue' });
    expect(first.stats().uploads).toMatchObject({
      sent: 0,
      away: true,
      lastError: expect.stringMatching(/ECONNREFUSED/),
    });
    // Sampling goes on meanwhile.
    await waitFor(() => first.stats().messagesSent > 3, { timeoutMs: 60_000, what: 'windows to be published' });
    await first.stop();
    child.kill('SIGKILL');
    await once(child, 'exit');

    await startSymbolizer(port);
    const second = await startCollector(`https://127.0.0.1:${port}`, {
      dataDir,
      samplerBinary: fakeSampler(child.pid!),
    });
    await waitFor(() => second.stats().uploads!.sent === 1, { timeoutMs: 60_000, what: 'the upload' });
    expect(second.stats().uploads).toMatchObject({ queued: 0, queuedBytes: 0, away: false });
    expect(uploadedFiles()).toHaveLength(1);
    expect(readdirSync(join(dataDir, 'uploads'))).toEqual([]);
  });

  it('whose binary another node sent already sends nothing', async () => {
    expect(uploadedFiles()).toHaveLength(1);
    const url = await startSymbolizer();
    const child = run(program.path);
    const collector = await startCollector(url, { samplerBinary: fakeSampler(child.pid!) });
    await waitFor(() => collector.stats().uploads!.had === 1, { timeoutMs: 60_000, what: 'the answer' });
    expect(collector.stats().uploads).toMatchObject({ sent: 0, sentBytes: 0, queued: 0 });
  });

  it('without a token that is right goes on sampling and says so', async () => {
    const url = await startSymbolizer();
    const child = run(program.path);
    const client = new UploadClient({ url, token: () => `pfl_${'x'.repeat(43)}`, ca: tls.cert });
    const uploads = { client, bytesPerSecond: 1e9, queueBytes: 1 };
    const collector = await startCollector(url, { samplerBinary: fakeSampler(child.pid!), uploads });
    await waitFor(() => collector.stats().uploads!.dropped === 1, { timeoutMs: 60_000, what: 'the full queue' });
    expect(collector.stats().uploads).toMatchObject({
      away: true,
      queued: 0,
      lastError: expect.stringMatching(/^no room for/),
    });
    await waitFor(() => collector.stats().messagesSent > 3, { timeoutMs: 60_000, what: 'windows to be published' });
  });

  it('gets names in the flame graph', async () => {
    const other = compile('burn-downtown');
    const [row] = /^\w+ T burn_upstairs$/m.exec(execFileSync('nm', [other.path], { encoding: 'utf8' }))!;
    const url = await startSymbolizer();
    const child = run(other.path);
    const sampler = fakeSampler(child.pid!, other, BigInt(`0x${row.split(' ')[0]}`) + 4n);
    const collector = await startCollector(url, { samplerBinary: sampler });
    await waitFor(
      async () => {
        const query = new URLSearchParams({ query: 'cpu{process="burn-downtown"}', from: 'now-15m' });
        const top = (await (await fetch(`${pipeline.url}/api/v1/top?${query}`)).json()) as TopResponse;
        const [first] = top.functions;
        return first?.function === 'burn_upstairs' && first.file.endsWith('burn-downtown.c');
      },
      { timeoutMs: 180_000, intervalMs: 500, what: 'the name of the hot function' },
    );
    expect(collector.stats().uploads!.sent).toBe(1);
    // The node says so with its next report, and the API passes it on.
    await waitFor(
      async () => {
        const node = (await (await fetch(`${pipeline.url}/api/v1/nodes/${NODE}`)).json()) as NodeSummary;
        return node.uploads?.sent === 1 && node.uploads.lastError === '';
      },
      { timeoutMs: 60_000, intervalMs: 500, what: 'the upload in the state of the node' },
    );
  });

  const reason =
    process.getuid?.() !== 0 ? 'needs root' : existsSync(samplerBinaryPath()) ? '' : 'the native build is missing';
  it.skipIf(reason !== '')(
    `names what the real sampler stored before, and writes no sample again${reason && ` (skipped: ${reason})`}`,
    async () => {
      const { path, gnu } = compile('burn-cellar');
      stripToMiniDebugInfo(path);
      // Of all that runs here only this one, so that nothing else is uploaded.
      const rules = [{ action: 'include' as const, match: { process: ['burn-cellar'] } }];
      await nodeState.config.set({ defaults: { filters: { rules, otherwise: 'exclude' } } });
      const before = createSymbolizerService({
        ...{ stream: pipeline.stream, topicPrefix: '', instance: 'central', logger },
        symbols: createSymbolizer({ source: new LocalBinaries(undefined, false) }),
      });
      symbolizers.push(before);
      await before.start();
      const child = run(path);
      const port = await freePort();
      const collector = await startCollector(`https://127.0.0.1:${port}`, { samplerBinary: samplerBinaryPath() });
      const first = async (until: string) => {
        const query = new URLSearchParams({ query: 'cpu{process="burn-cellar"}', from: 'now-15m', until });
        const top = (await (await fetch(`${pipeline.url}/api/v1/top?${query}`)).json()) as TopResponse;
        return top.functions[0]?.function ?? '';
      };
      const wait = (what: string) => ({ timeoutMs: 90_000, intervalMs: 200, what });
      await waitFor(async () => /^burn-cellar\+0x/.test(await first('now')), wait('samples without names'));
      await waitFor(() => collector.stats().uploads!.queued === 1, wait('the binary in the queue'));
      await waitFor(() => before.stats().unresolved > 0, wait('the answer that there is no file'));
      child.kill('SIGKILL');
      await before.stop();
      const ofThen = `FROM samples WHERE series IN (SELECT series FROM series WHERE process = 'burn-cellar')`;
      const [last] = await pipeline.store.query<{ until: number }>(
        `SELECT max(toUnixTimestamp(time)) + 1 AS until ${ofThen}`,
      );
      /** One text for each row. Those of the last window may still be on their way. */
      const rows = async () =>
        (await pipeline.store.query<{ row: string }>(`SELECT toString(cityHash64(*)) AS row ${ofThen}`)).map(
          ({ row }) => row,
        );
      const stored = await rows();

      // Another process than the one that was asked: what waits for a name it knows from the log.
      await startSymbolizer(port);
      await waitFor(
        async () => (await first(String(last!.until))) === 'burn_upstairs',
        wait('the name of the hot function'),
      );
      expect(collector.stats().uploads!.sent).toBe(1);
      expect(existsSync(join(dir.path, 'store', `gnu-${gnu}`))).toBe(true);
      expect(stored).not.toEqual([]);
      expect(await rows()).toEqual(expect.arrayContaining(stored));
      // Two windows may begin in one second, so equal rows are no doubles; every sample of the node is this program's.
      const samples = async () => {
        const [row] = await pipeline.store.query<{ held: string; told: string }>(
          `SELECT (SELECT sum(intDiv(s.value, l.period)) FROM samples AS s INNER JOIN
             (SELECT * FROM series FINAL WHERE process = 'burn-cellar') AS l ON s.series = l.series) AS held,
           (SELECT argMax(stored, epoch_start) FROM deliveries WHERE node = '${NODE}') AS told`,
        );
        return row!;
      };
      await waitFor(async () => {
        const { held, told } = await samples();
        return Number(held) > 0 && held === told;
      }, wait('as many samples as the deliveries tell'));
    },
  );
});

/** Removes all names of a program but those in `.gnu_debugdata`, as distributions do. */
function stripToMiniDebugInfo(path: string): void {
  const mini = `${path}.mini`;
  execFileSync('objcopy', ['-S', '--keep-symbol=burn_upstairs', '--keep-symbol=main', path, mini]);
  execFileSync('xz', ['--force', mini]);
  execFileSync('strip', [path]);
  execFileSync('objcopy', [`--add-section=.gnu_debugdata=${mini}.xz`, path]);
}
