import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SqlResponse } from '@perfleet/api-contract';
import { openStore, type Store } from '@perfleet/clickhouse';
import { openSqliteNodeState, type NodeStateStore } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi, type Api } from '../create-api.ts';
import { PUBLIC_VIEWS } from './guard.ts';
import { insertKnownWeek, KNOWN_TRACE } from './known-week.fixture.ts';

const text = readFileSync(join(import.meta.dirname, '../../../../docs/sql.md'), 'utf8');

interface Question {
  readonly title: string;
  readonly query: string;
  readonly stated: readonly string[];
}

/** The questions of the document: a heading `### N. title`, parameters in backquotes, one block of SQL. */
const questions: Question[] = [...text.matchAll(/^### \d+\. (.+)\n([^]*?)```sql\n([^]*?)```/gm)].map(
  ([, title, before, query]) => ({
    title: title!,
    query: query!,
    stated: [...before!.matchAll(/`(\w+)`/g)].map((m) => m[1]!),
  }),
);

/** On a minute, so that everything of it falls into one. */
const RECENT = Math.floor(Date.now() / 60_000) * 60 - 1800;

const PARAMS: Record<string, Record<string, string | number>> = {
  'What a library costs, across services': { library: 'libz' },
  'Regression between two versions or image tags': { label: 'version', service: 'checkout', old: 'v1', new: 'v2' },
  'New functions since a deploy': { deploy: RECENT - 60 },
  'CPU of a service, minute by minute': { service: 'checkout' },
  'Who calls a function': { function: 'json_parse' },
  'Hottest stacks of a service': { service: 'checkout' },
  'Which spans of a trace used CPU': { trace: KNOWN_TRACE },
};

/** Milliseconds of CPU time as cores of an hour, rounded as the queries do. */
const cores = (ms: number) => Math.round((ms / 3_600_000) * 1e4) / 1e4;

const EXPECTED: Record<string, readonly (readonly unknown[])[]> = {
  'Top functions per namespace': [
    ['', 'main', cores(10)],
    ['jobs', 'deflate', cores(500)],
    ['jobs', 'runtime.gcBgMarkWorker', cores(100)],
    ['shop', 'json_parse', cores(700)],
    ['shop', 'handle', cores(200)],
    ['shop', 'price_v2', cores(300)],
  ],
  'What a library costs, across services': [
    ['batch', 0.5],
    ['checkout', 0.1],
  ],
  // v1 used 750 ms, v2 550 ms.
  'Regression between two versions or image tags': [
    ['price_v2', 0, 54.55, 54.55],
    ['json_parse', 53.33, 18.18, -35.15],
  ],
  'Share of garbage collection per service': [
    ['batch', 16.67],
    ['checkout', 11.54],
  ],
  'Cores lost to the kernel, by node': [['n2', cores(60)]],
  'What changed since yesterday': [
    ['checkout', 'price_v2', 0.3],
    ['batch', 'deflate', 0.25],
    ['search', 'json_parse', 0.2],
    ['checkout', 'json_parse', 0.1],
  ],
  'Most expensive lock functions': [
    ['futex_wait', 'checkout', 0.05],
    ['pthread_mutex_lock', 'checkout', 0.05],
  ],
  'New functions since a deploy': [['checkout', 'price_v2', expect.any(String), 0.3]],
  'Skew between the pods of a service': [['checkout', '2', 0.75, 0.65, 'checkout-6f-a', 1.15]],
  'How long nodes were in fallback mode': [['n2', 15]],
  'Delivered and lost, by node': [
    ['n1', '100', '96', '4', '0', 4, { 'map-full': '4' }],
    ['n2', '76', '76', '0', '0', 0, {}],
  ],
  'Binaries without symbols': [['/opt/vendor/libv.so', 'no file', expect.any(String), '4', '1']],
  'Cores per service, and their share of the cluster': [
    ['checkout', cores(1300), 58.82],
    ['batch', cores(600), 27.15],
    ['search', cores(300), 13.57],
    ['sshd', cores(10), 0.45],
  ],
  'CPU of a service, minute by minute': [[expect.any(String), 0.0217]],
  'Who calls a function': [['handle', 0.7]],
  'Hottest stacks of a service': [
    [0.5, 'main > handle > json_parse'],
    [0.3, 'main > handle > price_v2'],
  ],
  'Samples that belong to no pod': [
    ['n1', '139', 97.12, 0, 0],
    ['n2', '86', 98.84, 1.16, 0],
  ],
  'The fleet by mode and rung': [['pods', 1, '2', ['6.18.1'], '0']],
  'Alerts of the week, by kind and node': [['fallback', 'n2', '1', '1', expect.any(String)]],
  'Which spans of a trace used CPU': [
    ['00f067aa0ba902b7', 'checkout', 0.3, 'json_parse'],
    ['00f067aa0ba902b8', 'search', 0.15, 'json_parse'],
  ],
  'Time by kind of code': [
    ['batch', 'native', 83.33],
    ['batch', 'go', 16.67],
  ],
};

describe('docs/sql.md', () => {
  const dir = mkdtempSync(join(tmpdir(), 'perfleet-questions-'));
  let store: Store;
  let nodeState: NodeStateStore;
  let api: Api;
  let url: string;

  beforeAll(async () => {
    store = await openStore({ kind: 'embedded', path: join(dir, 'clickhouse') });
    await insertKnownWeek(store, RECENT);
    nodeState = await openSqliteNodeState({ path: join(dir, 'nodes.db') });
    api = createApi({ store, nodeState, port: 0, logger: createLogger('api', { level: 'silent' }) });
    ({ url } = await api.start());
  });
  afterAll(async () => {
    await api?.stop();
    await nodeState?.close();
    await store?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const sql = async (query: string, params?: Record<string, string | number>) => {
    const response = await fetch(`${url}/api/v1/sql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query, params }),
    });
    const body = (await response.json()) as SqlResponse & { error?: { message: string } };
    if (!response.ok) throw new Error(body.error?.message);
    return body;
  };

  it('has twenty-one questions, each with its answer here', () => {
    expect(questions).toHaveLength(21);
    expect(questions.map(({ title }) => title).sort()).toEqual(Object.keys(EXPECTED).sort());
  });

  it.each(questions)('answers: $title', async ({ title, query, stated }) => {
    const params = PARAMS[title];
    for (const [, name] of query.matchAll(/\{(\w+):/g))
      expect(stated, 'a parameter that is not stated').toContain(name);
    const { rows } = await sql(query, params);
    for (const row of EXPECTED[title]!) expect(rows).toContainEqual(row);
  });

  it.each(PUBLIC_VIEWS)('describes every column of %s, in order', async (view) => {
    const section = text.slice(text.indexOf(`### ${view}\n`)).split('\n### ')[0]!;
    const documented = [...section.matchAll(/^\| ([a-z][\w, ]*) \|/gm)]
      .flatMap(([, names]) => names!.split(', '))
      .filter((name) => name !== 'column');
    const { rows } = await sql(`DESCRIBE ${view}`);
    expect(documented).toEqual(rows.map(([name]) => name));
  });
});
