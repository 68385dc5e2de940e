import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { fromBinary } from '@bufbuild/protobuf';
import { ProfilesService } from '@perfleet/otlp';
import { encodePprof } from '@perfleet/pprof';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { COMPRESSIONS } from '../../apps/api/src/connect/zstd.ts';
import { goClient } from '../support/go-client.ts';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { pythonClient } from '../support/python-client.ts';

const MS = 1_000_000;
let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline?.stop());

/** Total and self of functions of a type, by Pyroscope's protocol; without anything an empty object. */
async function functionsOf(
  profileTypeID: string,
  labelSelector: string,
): Promise<Record<string, { total: number; self: number }>> {
  const response = await fetch(`${pipeline.url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ profileTypeID, labelSelector, maxNodes: 100_000 }),
  });
  if (!response.ok) throw new Error(await response.text());
  const { flamegraph } = (await response.json()) as {
    flamegraph?: { names: string[]; levels: Array<{ values: string[] }> };
  };
  const result: Record<string, { total: number; self: number }> = {};
  for (const { values } of flamegraph?.levels ?? []) {
    for (let i = 0; i < values.length; i += 4) {
      const entry = (result[flamegraph!.names[Number(values[i + 3])]!] ??= { total: 0, self: 0 });
      entry.total += Number(values[i + 1]);
      entry.self += Number(values[i + 2]);
    }
  }
  return result;
}

const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
/** Everything that was taken from senders is in the store. */
const settled = () =>
  waitFor(
    async () => {
      const metrics = await (await fetch(`${pipeline.url}/metrics`)).text();
      const published = [...metrics.matchAll(/^perfleet_ingest_samples_total\{.*\} (\S+)$/gm)].map((m) => Number(m[1]));
      const [row] = await pipeline.store.query<{ stored: string }>('SELECT sum(stored) AS stored FROM deliveries');
      return published.reduce((sum, n) => sum + n, 0) === Number(row!.stored);
    },
    { timeoutMs: 20_000, what: 'what was taken in the store' },
  );

async function arrived(type: string, selector: string) {
  await settled();
  return functionsOf(type, selector);
}

const EXPECTED = {
  total: { total: 30 * MS, self: 0 },
  main: { total: 30 * MS, self: 10 * MS },
  work: { total: 20 * MS, self: 20 * MS },
};

const collector = goClient('otlp');
describe.skipIf(!collector.available)(
  `the OpenTelemetry Collector’s gRPC client${collector.reason && ` (skipped: ${collector.reason})`}`,
  () => {
    const address = () => `127.0.0.1:${pipeline.otlpGrpcPort}`;

    it.each([['plain'], ['gzip']])('sends profiles, %s', async (compression) => {
      await collector.run(address(), `grpc-${compression}`, ...(compression === 'gzip' ? ['gzip'] : []));
      expect(await arrived(CPU, `{service_name="grpc-${compression}",node="grpc-host"}`)).toEqual(EXPECTED);
      const span = 'trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7"';
      expect(await functionsOf(CPU, `{service_name="grpc-${compression}",${span}}`)).toEqual({
        ...EXPECTED,
        ...{ total: { total: 20 * MS, self: 0 }, main: { total: 20 * MS, self: 0 } },
      });
    });

    it('is told what is wrong in gRPC’s own form', async () => {
      await expect(collector.run(address(), 'x', 'broken')).rejects.toThrow(
        /InvalidArgument.*stack index 99 is out of range/,
      );
    });
  },
);

it('gRPC with zstd', async () => {
  const [, compressionZstd] = COMPRESSIONS;
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${pipeline.otlpGrpcPort}`,
    sendCompression: compressionZstd!,
    acceptCompression: [compressionZstd!],
    compressMinBytes: 1,
  });
  const body = readFileSync(new URL('../../libs/otlp/fixtures/sender.binpb', import.meta.url));
  await createClient(ProfilesService, transport).export(
    fromBinary(ProfilesService.method.export.input, new Uint8Array(body)),
  );
  expect(await arrived(CPU, '{service_name="official"}')).toMatchObject({
    total: { total: 40 * MS },
    work: { self: 30 * MS },
  });
});

const go = goClient('pyroscope');
describe.skipIf(!go.available)(`Pyroscope’s Go libraries${go.reason && ` (skipped: ${go.reason})`}`, () => {
  it('push a pprof file', async () => {
    const dir = tempDir();
    const file = join(dir.path, 'profile.pb.gz');
    const frame = (name: string) => ({ lines: [{ function: name, file: `${name}.go`, line: 1 }] });
    const [main, work] = [frame('main'), frame('work')];
    const profile = encodePprof({
      sampleTypes: [{ type: 'cpu', unit: 'nanoseconds' }],
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 10 * MS,
      timeNanos: BigInt(Date.now()) * 1_000_000n,
      durationNanos: 0n,
      samples: [
        { stack: [work, main], values: [20 * MS] },
        { stack: [main], values: [10 * MS] },
      ],
    });
    writeFileSync(file, gzipSync(profile));
    await go.run('push', pipeline.url, file, 'go-push');
    expect(await arrived(CPU, '{service_name="go-push",region="eu"}')).toEqual(EXPECTED);
    dir.remove();
  });

  it('profile a program: CPU, heap, goroutines and locks arrive under Pyroscope’s names', async () => {
    await go.run('sdk', pipeline.url, 'go-sdk');
    const selector = '{service_name="go-sdk",region="eu"}';
    const cpu = await arrived(CPU, selector);
    // Three seconds on one CPU, of which a loaded machine may give less; nearly all of it in one function.
    expect(cpu['main.spin']!.total / cpu['total']!.total).toBeGreaterThan(0.8);
    const heap = await arrived('memory:inuse_space:bytes:space:bytes', selector);
    // 256 times 1 MiB are held, and the program has every allocation told.
    expect(heap['main.sdk']!.total).toBeGreaterThanOrEqual(256 << 20);
    const goroutines = await arrived('goroutines:goroutine:count:goroutine:count', selector);
    expect(goroutines['total']!.total).toBeGreaterThanOrEqual(1);
    const { profileTypes } = (await (
      await fetch(`${pipeline.url}/querier.v1.QuerierService/ProfileTypes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      })
    ).json()) as { profileTypes: Array<{ ID: string }> };
    expect(profileTypes.map(({ ID }) => ID)).toEqual(
      expect.arrayContaining([
        'memory:alloc_space:bytes:space:bytes',
        'memory:inuse_objects:count:space:bytes',
        'block:delay:nanoseconds:contentions:count',
      ]),
    );
  });
});

const python = pythonClient('sender.py');
describe.skipIf(!python.available)(`Pyroscope’s Python SDK${python.reason && ` (skipped: ${python.reason})`}`, () => {
  it('profiles a program', async () => {
    await python.run(pipeline.url, 'py-sdk');
    const cpu = await arrived(CPU, '{service_name="py-sdk",region="eu"}');
    expect(cpu['spin']!.total / cpu['total']!.total).toBeGreaterThan(0.9);
  });
});

it('everything is accounted for', async () => {
  const rows = await pipeline.store.query<{ balance: string; gaps: string }>(
    'SELECT node, balance, gaps FROM deliveries',
  );
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.every(({ balance, gaps }) => Number(balance) === 0 && Number(gaps) === 0)).toBe(true);
});
