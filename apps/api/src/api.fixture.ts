import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlameGraphResponse, SqlResponse } from '@perfleet/api-contract';
import { EmbeddedStore, migrate, type Store } from '@perfleet/clickhouse';
import { namedFrameId, nativeFrameId, seriesId, stackId } from '@perfleet/ids';
import type { NodeState } from '@perfleet/messages';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { afterAll, beforeAll } from 'vitest';
import { createApi, type Api } from './create-api.ts';

/** Start of the data set: on a minute, so that steps are easy to tell, and younger than the store's retention. */
export const T0 = Math.floor(Date.now() / 60_000) * 60 - 36_000;
export const MS = 1_000_000;

export const main = namedFrameId('v8js', 'main', 'app.js', 1);
export const work = nativeFrameId('native', 'gnu:aa', 0x1000n);
export const lost = nativeFrameId('native', 'gnu:bb', 0x2abcn);
export const stacks = { work: stackId([main, work]), lost: stackId([main, lost]), main: stackId([main]) };
const seriesOf = (service: string, node: string, process: string) => ({
  id: seriesId([
    ['service', service],
    ['node', node],
    ['process', process],
    ['type', 'cpu'],
  ]),
  service,
  node,
  process,
});
export const checkout = seriesOf('checkout', 'n1', 'node');
export const search = seriesOf("sea'rch", 'n2', 'java');

export const dir = mkdtempSync(join(tmpdir(), 'perfleet-api-'));
/** Set by `useTestApi` before the first test. */
export let store: Store;
export let nodeState: NodeStateStore;
export let url: string;
/** SQL on ClickHouse's protocol. */
export let clickhouseUrl: string;
let api: Api;

export const node = (name: string, change: Partial<NodeState> = {}): NodeState => ({
  node: name,
  cluster: 'test',
  epoch: '0123456789abcdef',
  startedAt: 1000,
  updatedAt: 2000,
  version: '',
  mode: 'pods',
  fallback: false,
  modeReason: 'kubepods found',
  podRoots: ['/kubepods', '/docker/x/kubepods'],
  kubeletMismatches: [],
  rung: 1,
  rungReason: 'eBPF',
  rungWanted: 1,
  kernel: '6.18',
  cgroupVersion: 'v2',
  cpus: 2,
  ...{ rateWanted: 19, configVersion: 0, configError: '', governor: 'ok', governorReason: '' },
  ...{ cpuPercent: 1.5, memoryMib: 300 },
  rateHz: 19,
  restarts: 0,
  lastExit: '',
  taken: 5,
  published: 4,
  lost: {},
  clockSkewMs: 0,
  ...change,
});

/**
 * An API over an embedded engine with the data set above, for the tests of one file.
 * @param configFile of the engine
 */
export function useTestApi(configFile?: string): void {
  beforeAll(() => start(configFile));
  afterAll(stop);
}

async function start(configFile?: string): Promise<void> {
  store = new EmbeddedStore(join(dir, 'clickhouse'), configFile === undefined ? {} : { configFile });
  await migrate(store);
  for (const s of [checkout, search]) {
    const service = s.service.replaceAll("'", "''");
    const row = `(${s.id}, '${service}', '${s.node}', '${s.process}', 'cpu', 'nanoseconds', ${MS}, map('team', 'a'), ${T0})`;
    // Twice: a series is written again whenever it is seen, and counts once.
    for (let i = 0; i < 2; i++)
      await store.command(
        `INSERT INTO series (series, service, node, process, type, unit, period, labels, seen) VALUES ${row}`,
      );
  }
  await store.command(
    `INSERT INTO stacks (* EXCEPT(seen)) VALUES (${stacks.work}, [${main}, ${work}]), (${stacks.lost}, [${main}, ${lost}]), (${stacks.main}, [${main}])`,
  );
  await store.command(`INSERT INTO frames (* EXCEPT(seen)) VALUES (${main}, 'v8js', '', 0, 'main', 'app.js', 1, ''),
    (${work}, 'native', 'gnu:aa', ${0x1000}, '', '', 0, '/usr/lib/libwork.so'), (${lost}, 'native', 'gnu:bb', ${0x2abc}, '', '', 0, '/opt/x/liblost.so')`);
  await store.command(`INSERT INTO symbols VALUES (${work}, 1, ['wrong'], [''], [0], '')`);
  await store.command(
    `INSERT INTO symbols VALUES (${work}, 3, ['inner', 'outer'], ['w.c', 'w.c'], [7, 9], ''), (${lost}, 0, [], [], [], 'no file')`,
  );
  const samples = [
    [0, checkout.id, stacks.work, 30 * MS],
    [5, checkout.id, stacks.work, 20 * MS],
    [70, checkout.id, stacks.lost, 7 * MS],
    [5, search.id, stacks.main, 11 * MS],
    // Outside of the range that the tests ask for.
    [-1, checkout.id, stacks.work, 1000 * MS],
    [120, checkout.id, stacks.work, 1000 * MS],
  ] as const;
  await store.command(
    `INSERT INTO samples (* EXCEPT(workload)) VALUES ${samples.map(([t, ...rest]) => `(${[T0 + t, ...rest].join(', ')})`).join(', ')}`,
  );

  nodeState = await openSqliteNodeState({ path: join(dir, 'nodes.db') });
  await nodeState.put(
    node('n1', {
      uploads: {
        ...{ sent: 2, sentBytes: 300, had: 5, refused: 1, dropped: 0, queued: 1, queuedBytes: 70 },
        ...{ away: true, lastError: 'connect ECONNREFUSED' },
      },
    }),
  );
  await nodeState.heartbeat('n1', 'e', 600_000);
  await nodeState.put(
    node('n2', {
      ...{ mode: 'whole-system', fallback: true, modeReason: 'no kubepods', rung: 2, rungReason: 'no BTF' },
      ...{ podRoots: [], kubeletMismatches: ['the kubelet declares cgroupsPerQOS: true'] },
    }),
  );

  const webRoot = join(dir, 'web');
  mkdirSync(join(webRoot, 'assets'), { recursive: true });
  writeFileSync(join(webRoot, 'index.html'), '<!doctype html><title>page</title>');
  writeFileSync(join(webRoot, 'assets', 'app-1234.js'), 'export {};');
  const logger = createLogger('api', { level: 'error' });
  api = createApi({ store, nodeState, webRoot, port: 0, clickhousePort: 0, logger });
  const started = await api.start();
  url = started.url;
  clickhouseUrl = started.clickhouseUrl!;
}

async function stop(): Promise<void> {
  await api?.stop();
  await nodeState?.close();
  await store?.close();
  rmSync(dir, { recursive: true, force: true });
}

export const inRange = { from: String(T0), until: String(T0 + 120) };
export const request = (path: string, query: Record<string, string> = {}) =>
  fetch(`${url}${path}?${new URLSearchParams({ ...inRange, ...query })}`);

export async function get<T>(path: string, query: Record<string, string> = {}): Promise<T> {
  const response = await request(`/api/v1/${path}`, query);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${body}`);
  return JSON.parse(body) as T;
}

export async function refused(path: string, query: Record<string, string> = {}) {
  const response = await request(`/api/v1/${path}`, query);
  const body = (await response.json()) as { error: { code: string; message: string; position?: number } };
  return { status: response.status, ...body.error };
}

export async function sql(query: string, params?: Record<string, unknown>) {
  const response = await fetch(`${url}/api/v1/sql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, params }),
  });
  return {
    status: response.status,
    body: (await response.json()) as SqlResponse & { error?: { message: string; position?: number } },
  };
}

export interface NativeSqlOptions {
  /** Of the address: settings, `param_x`, `default_format` and what else the protocol has. */
  readonly search?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
}

/** A statement on ClickHouse's protocol, in the body. */
export async function clickhouseSql(query: string, { search, headers, method = 'POST' }: NativeSqlOptions = {}) {
  const address = `${clickhouseUrl}/?${new URLSearchParams(search).toString()}`;
  const response = await fetch(address, { method, headers: headers ?? {}, ...(method === 'POST' && { body: query }) });
  const code = response.headers.get('x-clickhouse-exception-code');
  return { status: response.status, code, headers: response.headers, text: await response.text() };
}

/** `root;…;leaf` -> [self, total] of every node. */
export function paths({ graph }: FlameGraphResponse): Record<string, [number, number]> {
  const names: string[] = [];
  return Object.fromEntries(
    graph.parent.map((parent, i) => {
      const name = graph.strings[graph.name[i]!]!;
      names.push(parent > 0 ? `${names[parent]};${name}` : name);
      return [names[i]!, [graph.self[i]! / MS, graph.total[i]! / MS]];
    }),
  );
}
