import { readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { FlameGraphResponse, SqlResponse } from '@perfleet/api-contract';
import { ProfilesEncoder } from '@perfleet/otlp';
import { encodePprof, type PprofInput } from '@perfleet/pprof';
import { waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';

const MS = 1_000_000;
const NOW = Math.floor(Date.now() / 1000);
let pipeline: Pipeline;

beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline?.stop());

/** As `fetch` takes it. */
const bytes = (data: Uint8Array) => new Uint8Array(data);
const fixture = (name: string) => bytes(readFileSync(new URL(`../../libs/otlp/fixtures/${name}`, import.meta.url)));

/** Stacks of a selection by the page's API, root first, the process left out. */
async function stacksOf(selector: string): Promise<Record<string, number>> {
  const query = new URLSearchParams({ query: selector, from: String(NOW - 7200), until: String(NOW + 7200) });
  const response = await fetch(`${pipeline.url}/api/v1/flamegraph?${query}`);
  if (!response.ok) throw new Error(await response.text());
  const { graph } = (await response.json()) as FlameGraphResponse;
  const paths: string[] = [];
  const result: Record<string, number> = {};
  graph.parent.forEach((parent, i) => {
    const kind = graph.strings[graph.kind[i]!];
    const above = parent < 0 ? '' : paths[parent]!;
    const name = graph.strings[graph.name[i]!]!;
    paths[i] = kind === 'root' || kind === 'process' ? above : above === '' ? name : `${above};${name}`;
    if (graph.self[i]! > 0) result[paths[i]!] = (result[paths[i]!] ?? 0) + graph.self[i]!;
  });
  return result;
}

const stored = (selector: string, stacks: Record<string, number>) =>
  waitFor(async () => JSON.stringify(sorted(await stacksOf(selector))) === JSON.stringify(sorted(stacks)), {
    timeoutMs: 20_000,
    what: `${selector} = ${JSON.stringify(stacks)}`,
  });
const sorted = (o: object) => Object.entries(o).sort();

async function sql(query: string): Promise<unknown[][]> {
  const response = await fetch(`${pipeline.url}/api/v1/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const body = (await response.json()) as SqlResponse;
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body.rows as unknown[][];
}

/** Total of a Pyroscope profile type. */
async function pyroscopeTotal(profileTypeID: string, labelSelector: string): Promise<number> {
  const response = await fetch(`${pipeline.url}/querier.v1.QuerierService/SelectMergeStacktraces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ profileTypeID, labelSelector, start: (NOW - 7200) * 1000, end: (NOW + 7200) * 1000 }),
  });
  const body = (await response.json()) as { flamegraph?: { total: string } };
  return Number(body.flamegraph?.total ?? 0);
}

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

/** Three samples, 30 ms of CPU, of a service, two of them in a span; `big` makes the names of every stack long. */
function otlp(service: string, host = 'sender-1', big = 0, time = NOW): Uint8Array {
  const e = new ProfilesEncoder();
  const frame = (name: string) => e.location({ kind: 'cpython', lines: [[e.func(name, 'app.py'), 3]] });
  const profile = e
    .resource([
      ['service.name', service],
      ['host.name', host],
      ['perfleet.label.team', 'a'],
    ])
    .profile({
      sampleType: { type: 'samples', unit: 'count' },
      periodType: { type: 'cpu', unit: 'nanoseconds' },
      period: 10 * MS,
      timeUnixNano: BigInt(time) * 1_000_000_000n,
      durationNano: 0n,
    });
  profile.sample(e.stack([frame('work'), frame('main')]), [], 2, [], e.link({ traceId: TRACE, spanId: SPAN }));
  profile.sample(e.stack([frame('main')]), [], 1);
  for (let i = 0; i < big; i++)
    profile.sample(
      e.stack([frame(`${i}-${'x'.repeat(4000)}`), frame('main')]),
      [e.attribute('thread.name', `t${i}`)],
      1,
    );
  return e.finish();
}
const OTLP_STACKS = { 'main;work': 20 * MS, main: 10 * MS };

describe('OTLP over HTTP', () => {
  const post = (body: BodyInit, headers: Record<string, string>, base = `http://127.0.0.1:${pipeline.otlpHttpPort}`) =>
    fetch(`${base}/v1development/profiles`, { method: 'POST', headers, body });
  const protobuf = { 'content-type': 'application/x-protobuf' };

  it.each<[string, (body: Uint8Array) => Buffer, Record<string, string>]>([
    ['plain', (b) => Buffer.from(b), {}],
    ['gzip', (b) => gzipSync(b), { 'content-encoding': 'gzip' }],
    ['zstd', (b) => zstdCompressSync(b), { 'content-encoding': 'zstd' }],
  ])('protobuf, %s', async (name, encode, headers) => {
    const response = await post(bytes(encode(otlp(`otlp-${name}`))), { ...protobuf, ...headers });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-protobuf']);
    expect((await response.arrayBuffer()).byteLength).toBe(0);
    await stored(`cpu{service="otlp-${name}", node="sender-1", team="a"}`, OTLP_STACKS);
    const span = `service="otlp-${name}", trace_id="${TRACE}", span_id="${SPAN}"`;
    expect(await stacksOf(`cpu{${span}, node="sender-1"}`)).toEqual({ 'main;work': 20 * MS });
  });

  it('on the API’s own port too', async () => {
    expect((await post(bytes(otlp('otlp-main')), protobuf, pipeline.url)).status).toBe(200);
    await stored('cpu{service="otlp-main"}', OTLP_STACKS);
  });

  it('what the official bindings wrote, as bytes and as JSON', async () => {
    expect((await post(fixture('sender.binpb'), protobuf)).status).toBe(200);
    await stored('cpu{service="official", node="api-node"}', { 'main;work': 30 * MS, main: 10 * MS });
    const response = await post(fixture('sender.json'), { 'content-type': 'application/json; charset=utf-8' });
    expect([response.status, await response.text()]).toEqual([200, '{}']);
    await stored('cpu{service="official"}', { 'main;work': 60 * MS, main: 20 * MS });
    // The bindings write base64 where OTLP's JSON has hexadecimal digits: of the span only the bytes tell.
    expect(await stacksOf('cpu{service="official", span_id="0001020304050607"}')).toEqual({ 'main;work': 30 * MS });
    const json = readFileSync(new URL('../../libs/otlp/fixtures/sender.json', import.meta.url), 'utf8')
      .replace('AAECAwQFBgcICQoLDA0ODw==', TRACE)
      .replace('AAECAwQFBgc=', SPAN);
    expect((await post(json, { 'content-type': 'application/json' })).status).toBe(200);
    await stored(`cpu{service="official", trace_id="${TRACE}"}`, { 'main;work': 30 * MS });
  });

  it('cuts a request that is too large for one message, and loses nothing', async () => {
    const body = otlp('otlp-big', 'big-sender', 1000);
    expect(body.length).toBeGreaterThan(4_000_000);
    expect((await post(gzipSync(body), { ...protobuf, 'content-encoding': 'gzip' })).status).toBe(200);
    await waitFor(
      async () =>
        Number((await sql("SELECT sum(value) FROM profiles WHERE service = 'otlp-big'"))[0]![0]) === 10_030 * MS,
      {
        timeoutMs: 30_000,
        what: '1,003 samples',
      },
    );
    const [row] = await sql("SELECT messages, gaps, taken, stored, balance FROM deliveries WHERE node = 'big-sender'");
    expect(row!.slice(1).map(Number)).toEqual([0, 1003, 1003, 0]);
    expect(Number(row![0])).toBeGreaterThan(4);
    expect(await stacksOf(`cpu{service="otlp-big", span_id="${SPAN}"}`)).toEqual({ 'main;work': 20 * MS });
  });

  it.each<[string, BodyInit, Record<string, string>, number, RegExp]>([
    ['no OTLP', 'hello', protobuf, 400, /not OTLP Profiles/],
    ['counts that would spoil those of others', fixture('agent.binpb'), protobuf, 400, /count more than/],
    [
      'times that the store does not keep',
      bytes(otlp('old', 'h', 0, NOW - 15 * 86_400)),
      protobuf,
      400,
      /last 14 days/,
    ],
    ['no gzip', 'hello', { ...protobuf, 'content-encoding': 'gzip' }, 400, /not gzip/],
    ['an unknown encoding', 'hello', { ...protobuf, 'content-encoding': 'br' }, 415, /br is not supported/],
    ['a bomb', gzipSync(Buffer.alloc(64 << 20)), { ...protobuf, 'content-encoding': 'gzip' }, 413, /when decompressed/],
    ['a large body', Buffer.alloc(9 << 20), protobuf, 413, /too large/],
    ['another type', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, /content type/],
  ])('refuses %s', async (_, body, headers, status, message) => {
    const response = await post(body, headers);
    expect(response.status).toBe(status);
    expect(Buffer.from(await response.arrayBuffer()).toString('latin1')).toMatch(message);
  });

  it('says what is wrong with JSON in JSON', async () => {
    const response = await post('{"resourceProfiles": 1}', { 'content-type': 'application/json' });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { code: 3, message: expect.stringContaining('not OTLP Profiles') },
    ]);
  });
});

const pprof: PprofInput = {
  sampleTypes: [
    { type: 'samples', unit: 'count' },
    { type: 'cpu', unit: 'nanoseconds' },
  ],
  periodType: { type: 'cpu', unit: 'nanoseconds' },
  period: 10 * MS,
  timeNanos: BigInt(NOW) * 1_000_000_000n,
  durationNanos: 10_000_000_000n,
  samples: ((main, work, inlined) => [
    {
      stack: [work, main],
      values: [3, 30 * MS],
      labels: [
        ['endpoint', '/pay'],
        ['span_id', SPAN.toUpperCase()],
        ['trace_id', TRACE],
        ['pid', 7],
      ] as const,
    },
    { stack: [inlined, main], values: [1, 10 * MS], labels: [['profile_id', '00f067aa0ba902b8']] as const },
    { stack: [main], values: [0, 0], labels: [['span_id', 'no span']] as const },
  ])(
    { lines: [{ function: 'main', file: 'main.go', line: 9 }] },
    { lines: [{ function: 'work', file: 'main.go', line: 20 }] },
    {
      lines: [
        { function: 'tiny', file: 'x.go', line: 1 },
        { function: 'outer', file: 'x.go', line: 2 },
      ],
    },
  ),
};
const PPROF_STACKS = { 'main;work': 30 * MS, 'main;outer;tiny': 10 * MS };

describe('Pyroscope’s /ingest', () => {
  const post = (query: Record<string, string>, body: BodyInit, headers: Record<string, string> = {}) =>
    fetch(`${pipeline.url}/ingest?${new URLSearchParams({ from: String(NOW), until: String(NOW + 10), ...query })}`, {
      method: 'POST',
      body,
      headers,
    });
  const form = (fields: Record<string, Uint8Array | string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, new Blob([value as BlobPart]), name);
    return data;
  };

  it('pprof in a form, with labels of the application and of samples', async () => {
    const response = await post(
      { name: 'pay{region=eu,hostname=h1,pod=pay-1}', spyName: 'gospy' },
      form({ profile: gzipSync(encodePprof(pprof)), sample_type_config: '{"samples": {"units": "samples"}}' }),
    );
    expect([response.status, await response.text()]).toEqual([200, '']);
    await stored('cpu{service="pay"}', PPROF_STACKS);
    expect(await stacksOf(`cpu{service="pay", trace_id="${TRACE}"}`)).toEqual({ 'main;work': 30 * MS });
    expect(await stacksOf(`cpu{service="pay", span_id=~"${SPAN}|00f067aa0ba902b8"}`)).toEqual(PPROF_STACKS);
    await stored('samples{service="pay"}', { 'main;work': 3, 'main;outer;tiny': 1 });
    await stored('cpu{service="pay", region="eu", pod="pay-1", node="h1", endpoint="/pay"}', { 'main;work': 30 * MS });
    expect(await pyroscopeTotal('process_cpu:cpu:nanoseconds:cpu:nanoseconds', '{service_name="pay"}')).toBe(40 * MS);
    expect(await pyroscopeTotal('process_cpu:samples:count:cpu:nanoseconds', '{service_name="pay",region="eu"}')).toBe(
      4,
    );
    expect(
      await sql(
        "SELECT function, sum(self), sum(total) FROM functions WHERE service = 'pay' AND type = 'cpu' GROUP BY function ORDER BY function",
      ),
    ).toEqual([
      ['main', '0', String(40 * MS)],
      ['outer', '0', String(10 * MS)],
      ['tiny', String(10 * MS), String(10 * MS)],
      ['work', String(30 * MS), String(30 * MS)],
    ]);
    const names = await fetch(`${pipeline.url}/querier.v1.QuerierService/LabelNames`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ matchers: ['{service_name="pay"}'] }),
    });
    expect(await names.json()).toEqual({
      names: ['__profile_type__', 'endpoint', 'node', 'pod', 'process', 'region', 'service_name'],
    });
  });

  it('pprof as the body, whatever the sender calls itself', async () => {
    expect(
      (await post({ name: 'raw', format: 'pprof', spyName: 'constructor' }, bytes(encodePprof(pprof)))).status,
    ).toBe(200);
    await stored('cpu{service="raw"}', PPROF_STACKS);
  });

  it('keeps mutex and block profiles apart', async () => {
    const contentions: PprofInput = {
      ...pprof,
      sampleTypes: [
        { type: 'contentions', unit: 'count' },
        { type: 'delay', unit: 'nanoseconds' },
      ],
      periodType: { type: 'contentions', unit: 'count' },
    };
    for (const kind of ['mutex', 'block'] as const) {
      const config = JSON.stringify({
        contentions: { 'display-name': `${kind}_count` },
        delay: { 'display-name': `${kind}_duration` },
      });
      expect(
        (await post({ name: 'locks' }, form({ profile: encodePprof(contentions), sample_type_config: config }))).status,
      ).toBe(200);
    }
    await stored('mutex_delay{service="locks"}', PPROF_STACKS);
    await stored('block_contentions{service="locks"}', { 'main;work': 3, 'main;outer;tiny': 1 });
    expect(await pyroscopeTotal('mutex:contentions:count:contentions:count', '{service_name="locks"}')).toBe(4);
  });

  it('folded text: groups become time at the rate, lines count one each', async () => {
    expect((await post({ name: 'folded.cpu{region=eu}', sampleRate: '50' }, 'main;work 2\nmain 1\n')).status).toBe(200);
    await stored('cpu{service="folded", region="eu"}', { 'main;work': 40 * MS, main: 20 * MS });
    expect(
      (await post({ name: 'lines', format: 'lines' }, gzipSync('a;b\na;b\na\n'), { 'content-encoding': 'gzip' }))
        .status,
    ).toBe(200);
    await stored('cpu{service="lines"}', { 'a;b': 20 * MS, a: 10 * MS });
    expect((await post({ name: 'heap.alloc_space' }, 'main;alloc 4096\n')).status).toBe(200);
    expect(
      await waitFor(() => pyroscopeTotal('memory:alloc_space:bytes:space:bytes', '{service_name="heap"}'), {
        timeoutMs: 20_000,
        what: 'heap',
      }),
    ).toBe(4096);
  });

  it.each<[string, Record<string, string>, () => BodyInit, number, RegExp]>([
    ['no name', {}, () => 'a 1', 400, /name is missing/],
    [
      'times that the store does not keep',
      { name: 'x', from: String(NOW - 15 * 86_400) },
      () => 'a 1',
      400,
      /last 14 days/,
    ],
    ['a bad line', { name: 'x' }, () => 'a 1\nb', 400, /line 2/],
    ['JFR', { name: 'x', format: 'jfr' }, () => 'FLR', 415, /format jfr is not supported/],
    ['no pprof', { name: 'x', format: 'pprof' }, () => 'hello', 400, /not a pprof profile/],
    ['a form without profile', { name: 'x' }, () => form({ other: 'a' }), 400, /no field profile/],
    [
      'running totals',
      { name: 'x' },
      () => form({ profile: encodePprof(pprof), prev_profile: 'a' }),
      400,
      /prev_profile/,
    ],
    ['a bomb inside', { name: 'x', format: 'pprof' }, () => gzipSync(Buffer.alloc(64 << 20)), 413, /when decompressed/],
    ['a long label', { name: `x{a=${'y'.repeat(2000)}}` }, () => 'a 1', 400, /longer than 1024/],
    [
      'too many labels',
      { name: `x{${Array.from({ length: 40 }, (_, i) => `l${i}=v`).join()}}` },
      () => 'a 1',
      400,
      /more than 32 labels/,
    ],
  ])('refuses %s', async (_, query, body, status, message) => {
    const response = await post(query, body());
    expect([response.status, await response.text()]).toEqual([status, expect.stringMatching(message)]);
  });
});

describe('push.v1.PusherService', () => {
  const push = (series: unknown[]) =>
    fetch(`${pipeline.url}/push.v1.PusherService/Push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ series }),
    });
  const labels = (service: string) => [
    { name: '__name__', value: 'process_cpu' },
    { name: 'service_name', value: service },
    { name: 'namespace', value: 'shop' },
  ];

  it('takes several series of gzipped pprof', async () => {
    const rawProfile = gzipSync(encodePprof(pprof)).toString('base64');
    const series = ['push-a', 'push-b'].map((service) => ({ labels: labels(service), samples: [{ rawProfile }] }));
    expect((await push(series)).status).toBe(200);
    await stored('cpu{service="push-a", namespace="shop"}', PPROF_STACKS);
    await stored('cpu{service="push-b"}', PPROF_STACKS);
    expect(await stacksOf(`cpu{service="push-b", span_id="${SPAN}"}`)).toEqual({ 'main;work': 30 * MS });
  });

  it('refuses the whole request for one bad profile', async () => {
    const good = {
      labels: labels('half'),
      samples: [{ rawProfile: Buffer.from(encodePprof(pprof)).toString('base64') }],
    };
    const response = await push([good, { labels: labels('bad'), samples: [{ rawProfile: 'aGVsbG8=' }] }]);
    expect(await response.json()).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('pprof'),
    });
    expect(await stacksOf('cpu{service="half"}')).toEqual({});
  });
});

it('accounts for everything: taken = stored + lost for every node that sent', async () => {
  await waitFor(async () => (await sql('SELECT 1 FROM deliveries WHERE balance != 0')).length === 0, {
    timeoutMs: 20_000,
    what: 'a balance of 0',
  });
  const rows = await sql('SELECT node, gaps, duplicates, lost_total FROM deliveries ORDER BY node');
  expect(rows.map(([node]) => node)).toEqual(expect.arrayContaining(['api-node', 'big-sender', 'h1', 'sender-1']));
  expect(rows.flatMap((row) => row.slice(1).map(Number)).every((n) => n === 0)).toBe(true);
  const metrics = await (await fetch(`${pipeline.url}/metrics`)).text();
  expect(metrics).toMatch(/perfleet_ingest_requests_total\{protocol="otlp",outcome="ok"\} 8/);
});
