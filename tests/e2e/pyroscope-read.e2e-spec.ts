import { readFileSync } from 'node:fs';
import { fromBinary, fromJson, toBinary, toJson, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { encodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { OTLP_SCHEMA, ProfilesEncoder } from '@perfleet/otlp';
import { QuerierService } from '@perfleet/pyroscope';
import { waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goClient } from '../support/go-client.ts';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';

/** On a minute, so that steps are easy to tell. */
const T0 = Math.floor(Date.now() / 60_000) * 60 - 3600;
const MS = 1_000_000;
const CPU = 'process_cpu:cpu:nanoseconds:cpu:nanoseconds';
const HEAP = 'memory:alloc_space:bytes:space:bytes';
const range = { start: T0 * 1000, end: (T0 + 60) * 1000 };

const requests = JSON.parse(
  readFileSync(new URL('../../libs/pyroscope/fixtures/requests.json', import.meta.url), 'utf8'),
) as Record<string, JsonObject>;

/** 110 ms of CPU: checkout main>work 50, main>idle 10; search boot>java:load 50 (ten milliseconds a sample); 4 KiB of heap. */
function dataSet(): Uint8Array {
  const e = new ProfilesEncoder();
  const location = (name: string) => e.location({ kind: 'v8js', lines: [[e.func(name, 'app.js'), 1]] });
  const stack = (...rootFirst: string[]) => e.stack(rootFirst.reverse().map(location));
  const at = (seconds: number) => [BigInt(T0 + seconds) * 1_000_000_000n];
  const cpu = {
    sampleType: { type: 'samples', unit: 'count' },
    periodType: { type: 'cpu', unit: 'nanoseconds' },
    period: 10 * MS,
    timeUnixNano: BigInt(T0) * 1_000_000_000n,
    durationNano: 60_000_000_000n,
  };
  const checkout = e.resource([
    ['service.name', 'checkout'],
    ['k8s.namespace.name', 'shop'],
    ['k8s.pod.name', 'checkout-1'],
    ['process.executable.name', 'node'],
  ]);
  const profile = checkout.profile(cpu);
  profile.sample(stack('main', 'work'), [], 3, at(2));
  profile.sample(stack('main', 'idle'), [], 1, at(2));
  profile.sample(stack('main', 'work'), [], 2, at(20));
  // Outside of the range that is asked for.
  profile.sample(stack('main', 'work'), [], 100, at(-1));
  profile.sample(stack('main', 'work'), [], 100, at(61));
  checkout
    .profile({
      ...cpu,
      sampleType: { type: 'alloc_space', unit: 'bytes' },
      periodType: { type: 'space', unit: 'bytes' },
    })
    .sample(stack('main'), [], 4096, at(3));
  const search = e.resource([
    ['service.name', 'search'],
    ['k8s.namespace.name', 'find'],
    ['process.executable.name', 'java'],
  ]);
  search.profile(cpu).sample(stack('boot', 'load'), [], 5, at(0));
  return e.finish();
}

type Ask = (name: string, change?: JsonObject) => Promise<JsonObject>;
let pipeline: Pipeline;

beforeAll(async () => {
  pipeline = await startPipeline();
  const producer = await pipeline.stream.producer();
  const headers = {
    schema: OTLP_SCHEMA,
    node: 'n1',
    epoch: '00000000000000aa',
    epochStart: 1,
    seq: 1,
    taken: 212,
    lost: {},
  };
  await producer.send(TOPICS.profiles, [
    { key: 'n1', value: dataSet(), headers: encodeProfileHeaders({ ...headers, sent: Date.now() }) },
  ]);
  await producer.close();
  await waitFor(async () => (await pipeline.store.query('SELECT 1 FROM delivery_log')).length === 1, {
    timeoutMs: 20_000,
    what: 'the data set in the store',
  });
});
afterAll(() => pipeline?.stop());

/** The recorded request with the times of this run, `change` on top. */
function requestOf(name: string, change: JsonObject): JsonObject {
  const timed = (value: JsonValue): JsonValue =>
    value === 1700000000000 ? range.start : value === 1700000060000 ? range.end : value;
  const request = Object.fromEntries(
    Object.entries(requests[name]!).map(([key, value]) => [
      key,
      typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value!).map(([k, v]) => [k, timed(v)]))
        : timed(value),
    ]),
  );
  return { ...request, ...change };
}

const methodOf = (name: string) => QuerierService.methods.find((m) => name.startsWith(m.name))!;

async function post(method: string, body: BodyInit, type: string, headers: Record<string, string> = {}) {
  return fetch(`${pipeline.url}/querier.v1.QuerierService/${method}`, {
    method: 'POST',
    headers: { 'content-type': type, 'connect-protocol-version': '1', ...headers },
    body,
  });
}

const askJson: Ask = async (name, change = {}) => {
  const response = await post(methodOf(name).name, JSON.stringify(requestOf(name, change)), 'application/json');
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return JSON.parse(text) as JsonObject;
};

const askBinary: Ask = async (name, change = {}) => {
  const method = methodOf(name);
  const body = toBinary(method.input, fromJson(method.input, requestOf(name, change)));
  const response = await post(method.name, body, 'application/proto');
  if (!response.ok) throw new Error(await response.text());
  return toJson(method.output, fromBinary(method.output, new Uint8Array(await response.arrayBuffer()))) as JsonObject;
};

/** What every form of the protocol must answer for the data set. */
function expectAnswers(answers: Record<string, JsonObject>) {
  const ns = (ms: number) => ms * MS;
  expect(answers['ProfileTypes']).toEqual({
    profileTypes: [
      {
        ID: HEAP,
        name: 'memory',
        sampleType: 'alloc_space',
        sampleUnit: 'bytes',
        periodType: 'space',
        periodUnit: 'bytes',
      },
      {
        ID: CPU,
        name: 'process_cpu',
        sampleType: 'cpu',
        sampleUnit: 'nanoseconds',
        periodType: 'cpu',
        periodUnit: 'nanoseconds',
      },
    ],
  });
  expect(answers['LabelNames']).toEqual({
    names: ['__profile_type__', 'namespace', 'node', 'pod', 'process', 'service_name'],
  });
  expect(answers['LabelValues']).toEqual({ names: ['checkout'] });
  const set = (service: string, type: string) => ({
    labels: [
      { name: '__profile_type__', value: type },
      { name: 'service_name', value: service },
    ],
  });
  const { labelsSet } = answers['Series'] as { labelsSet: unknown[] };
  expect(labelsSet).toHaveLength(3);
  expect(labelsSet).toEqual(expect.arrayContaining([set('checkout', CPU), set('checkout', HEAP), set('search', CPU)]));
  const point = (seconds: number, value: number) => ({ timestamp: String((T0 + seconds) * 1000), value });
  const line = (service: string, points: unknown[]) => ({ labels: [{ name: 'service_name', value: service }], points });
  const checkout = line('checkout', [point(15, ns(40)), point(30, ns(20))]);
  expect(answers['SelectSeries']).toEqual({ series: [checkout, line('search', [point(0, ns(50))])] });
  expect(answers['SelectSeriesLimit']).toEqual({ series: [checkout] });
  const values = (levels: number[][]) => levels.map((level) => ({ values: level.map(String) }));
  expect(answers['SelectMergeStacktraces']).toEqual({
    flamegraph: {
      names: ['total', 'main', 'idle', 'work'],
      levels: values([
        [0, ns(60), 0, 0],
        [0, ns(60), 0, 1],
        [0, ns(10), ns(10), 2, 0, ns(50), ns(50), 3],
      ]),
      total: String(ns(60)),
      maxSelf: String(ns(50)),
    },
  });
  // Four nodes of six: total, main, boot and one leaf of 50; the rest is `other` under its parent.
  expect(answers['SelectMergeStacktracesNodes']).toMatchObject({ flamegraph: { total: String(ns(110)) } });
  const { flamegraph } = answers['SelectMergeStacktracesNodes'] as {
    flamegraph: { names: string[]; levels: Array<{ values: string[] }> };
  };
  const others = flamegraph.names.indexOf('other');
  const nodes = flamegraph.levels.flatMap(({ values: row }) =>
    row.flatMap((v, i) => (i % 4 === 3 ? [{ self: Number(row[i - 1]), name: Number(v) }] : [])),
  );
  expect(nodes.filter(({ name }) => name !== others)).toHaveLength(4);
  expect(nodes.reduce((sum, { self }) => sum + self, 0)).toBe(ns(110));
  expect(answers['Diff']).toMatchObject({
    flamegraph: { leftTicks: String(ns(60)), rightTicks: String(ns(50)), total: String(ns(110)) },
  });
  const diff = answers['Diff'] as { flamegraph: { levels: Array<{ values: string[] }> } };
  expect(diff.flamegraph.levels[0]).toEqual({ values: [0, ns(60), 0, 0, ns(50), 0, 0].map(String) });
  expect(answers['GetProfileStats']).toEqual({
    dataIngested: true,
    oldestProfileTime: String((T0 - 1) * 1000),
    newestProfileTime: String((T0 + 61) * 1000),
  });
}

/** Stacks of a `google.v1.Profile`, root first, with their first value. */
function foldedOf(profile: JsonObject): Record<string, number> {
  type Row = Record<string, string> & { line: Array<{ functionId: string }>; locationId: string[]; value: string[] };
  const rows = (name: string) => (profile[name] as unknown as Row[]) ?? [];
  const strings = profile['stringTable'] as string[];
  const functions = new Map(rows('function').map((f) => [f['id'], strings[Number(f['name'])]]));
  const locations = new Map(
    rows('location').map((l) => [l['id'], l.line.map((line) => functions.get(line.functionId))]),
  );
  return Object.fromEntries(
    rows('sample').map((s) => [
      s.locationId
        .flatMap((id) => locations.get(id)!)
        .reverse()
        .join(';'),
      Number(s.value[0]),
    ]),
  );
}

const PROFILE = { 'main;work': 50 * MS, 'main;idle': 10 * MS };

describe.each([
  ['JSON, as a browser sends it', askJson],
  ['protobuf, as Grafana’s data source sends it', askBinary],
])('%s', (_, ask) => {
  it('answers every recorded request exactly', async () => {
    const names = Object.keys(requests).filter((name) => name !== 'SelectMergeProfile');
    expectAnswers(Object.fromEntries(await Promise.all(names.map(async (name) => [name, await ask(name)] as const))));
    expect(foldedOf(await ask('SelectMergeProfile'))).toEqual(PROFILE);
  });

  it('answers pprof by the newer method too', async () => {
    const { pprof } = await ask('SelectMergeStacktraces', { format: 'PROFILE_FORMAT_PPROF' });
    expect(foldedOf((pprof as { profile: JsonObject }).profile)).toEqual(PROFILE);
  });

  it('answers other types, matchers and the whole time', async () => {
    const heap = await ask('SelectMergeStacktraces', { profileTypeID: HEAP, labelSelector: '{pod=~"checkout-.*"}' });
    expect(heap).toMatchObject({ flamegraph: { total: '4096', names: ['total', 'main'] } });
    expect(await ask('SelectMergeStacktraces', { start: 0, end: 0, labelSelector: '{}' })).toMatchObject({
      flamegraph: { total: String(2110 * MS) },
    });
    expect(await ask('SelectMergeStacktraces', { labelSelector: '{service_name="none"}' })).toEqual({});
    // A span that no sample was taken in.
    expect(await ask('SelectMergeStacktraces', { spanSelector: ['9a517183f26a089d'] })).toEqual({});
    expect(await ask('LabelValues', { name: '__profile_type__', matchers: ['{namespace="find"}'] })).toEqual({
      names: [CPU],
    });
    expect(await ask('LabelValues', { name: 'service_name', matchers: [`{__profile_type__="${HEAP}"}`] })).toEqual({
      names: ['checkout'],
    });
    expect(await ask('LabelValues', { matchers: [], start: 1000, end: 2000 })).toEqual({});
  });

  it.each<[string, JsonObject, string]>([
    ['SelectMergeStacktraces', { profileTypeID: 'cpu' }, 'invalid_argument'],
    ['SelectMergeStacktraces', { labelSelector: '{a=}' }, 'invalid_argument'],
    ['SelectMergeStacktraces', { labelSelector: '{a=~"("}' }, 'invalid_argument'],
    ['SelectMergeStacktraces', { end: 1 }, 'invalid_argument'],
    ['SelectMergeStacktraces', { maxNodes: -1 }, 'invalid_argument'],
    ['SelectMergeStacktraces', { format: 'PROFILE_FORMAT_DOT' }, 'unimplemented'],
    ['SelectMergeStacktraces', { spanSelector: ['9a517183f26a089d', '9a51'] }, 'invalid_argument'],
    ['SelectMergeStacktraces', { profileIdSelector: ['7c9e6679'] }, 'unimplemented'],
    ['SelectMergeProfile', { stackTraceSelector: { callSite: [{ name: 'main' }] } }, 'unimplemented'],
    ['SelectSeries', { step: 0 }, 'invalid_argument'],
    ['SelectSeries', { step: 0.001 }, 'invalid_argument'],
    ['SelectSeries', { aggregation: 'TIME_SERIES_AGGREGATION_TYPE_AVERAGE' }, 'unimplemented'],
  ])('refuses %s with %j: %s', async (name, change, code) => {
    await expect(ask(name, change)).rejects.toThrow(`"code":"${code}"`);
  });
});

it('reads compressed bodies and refuses what is too large or nothing', async () => {
  const { gzipSync, zstdCompressSync } = await import('node:zlib');
  const body = JSON.stringify(requestOf('SelectMergeStacktraces', {}));
  for (const [encoding, bytes] of [
    ['gzip', gzipSync(body)],
    ['zstd', zstdCompressSync(body)],
  ] as const) {
    const response = await post('SelectMergeStacktraces', bytes, 'application/json', { 'content-encoding': encoding });
    expect(await response.json()).toMatchObject({ flamegraph: { total: String(60 * MS) } });
  }
  const bomb = await post('LabelNames', gzipSync(Buffer.alloc(50 << 20, ' ')), 'application/json', {
    'content-encoding': 'gzip',
  });
  expect(await bomb.json()).toMatchObject({ code: 'resource_exhausted' });
  expect((await post('SelectHeatmap', '{}', 'application/json')).status).toBe(404);
  expect(await (await post('LabelNames', '{"matchers": 1}', 'application/json')).json()).toMatchObject({
    code: 'invalid_argument',
  });
});

describe('the older endpoints', () => {
  const get = async (path: string, query: Record<string, string>) => {
    const response = await fetch(`${pipeline.url}/pyroscope/${path}?${new URLSearchParams(query)}`);
    return { status: response.status, body: (await response.json()) as JsonObject };
  };
  const times = { from: String(T0), until: String(T0 + 60) };

  it('render', async () => {
    const { body } = await get('render', { query: `${CPU}{service_name="checkout"}`, ...times });
    expect(body).toMatchObject({
      version: 1,
      flamebearer: { names: ['total', 'main', 'idle', 'work'], numTicks: 60 * MS, maxSelf: 50 * MS },
      metadata: { format: 'single', units: 'samples', sampleRate: 1e9 },
    });
    expect((body['flamebearer'] as { levels: number[][] }).levels[2]).toEqual([
      0,
      10 * MS,
      10 * MS,
      2,
      0,
      50 * MS,
      50 * MS,
      3,
    ]);
  });

  it('render-diff', async () => {
    const { body } = await get('render-diff', {
      leftQuery: `${CPU}{service_name="checkout"}`,
      rightQuery: `${CPU}{service_name="search"}`,
      leftFrom: times.from,
      leftUntil: times.until,
      rightFrom: String(T0 * 1000),
      rightUntil: String((T0 + 60) * 1000),
    });
    expect(body).toMatchObject({ metadata: { format: 'double' }, leftTicks: 60 * MS, rightTicks: 50 * MS });
  });

  it('refuse what they do not have', async () => {
    expect(await get('render', times)).toMatchObject({ status: 400, body: { error: { message: 'query is missing' } } });
    expect((await get('render', { query: `${CPU}{}`, format: 'dot' })).status).toBe(400);
    expect((await get('render', { query: 'cpu{}' })).status).toBe(400);
  });
});

const go = goClient('pyroscope');
describe.skipIf(!go.available)(`Pyroscope’s own Go client${go.reason && ` (skipped: ${go.reason})`}`, () => {
  it('reads every answer', async () => {
    const answers = JSON.parse(await go.run('query', pipeline.url, String(range.start), String(range.end))) as Record<
      string,
      JsonObject
    >;
    expect(answers['SelectMergeProfile']).toEqual(PROFILE);
    expectAnswers(answers);
  });
});
