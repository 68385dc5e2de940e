import type { Store } from '@perfleet/clickhouse';
import { namedFrameId, nativeFrameId, seriesId, stackId } from '@perfleet/ids';

/**
 * A small cluster whose numbers are known: two services of one namespace, a batch job of another, and a host process, on two
 * nodes. What it did half an hour ago, and what it did a day before that. Values below are milliseconds of CPU time.
 */

const MS = 1_000_000;
export const KNOWN_TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

/** name -> kind, file, mapping */
const FUNCTIONS = {
  main: ['native', 'main.c', '/app/server'],
  handle: ['native', 'main.c', '/app/server'],
  price_v2: ['native', 'price.c', '/app/server'],
  json_parse: ['native', 'json.c', '/usr/lib/libjson.so.1'],
  deflate: ['native', '', '/usr/lib/libz.so.1'],
  pthread_mutex_lock: ['native', '', '/usr/lib/libc.so.6'],
  'runtime.gcBgMarkWorker': ['go', 'mgc.go', '/app/server'],
  futex_wait: ['kernel', '', ''],
  tcp_sendmsg: ['kernel', '', ''],
} as const;

/** node, namespace, pod, service, process, version */
const SERIES = {
  old: ['n1', 'shop', 'checkout-6f-a', 'checkout', 'server', 'v1'],
  new: ['n2', 'shop', 'checkout-7d-b', 'checkout', 'server', 'v2'],
  search: ['n2', 'shop', 'search-1', 'search', 'server', 'v1'],
  batch: ['n1', 'jobs', 'batch-1', 'batch', 'python3', ''],
  host: ['n2', '', '', 'sshd', 'sshd', ''],
} as const;

type Name = keyof typeof SERIES;

/** `-`: a frame without a name, of /opt/vendor/libv.so */
const NOW: ReadonlyArray<readonly [Name, string, number]> = [
  ['old', 'main handle json_parse', 400],
  ['old', 'main handle deflate', 100],
  ['old', 'main handle', 100],
  ['old', 'main runtime.gcBgMarkWorker', 100],
  ['old', 'main pthread_mutex_lock futex_wait', 50],
  ['new', 'main handle json_parse', 100],
  ['new', 'main handle price_v2', 300],
  ['new', 'main handle', 100],
  ['new', 'main runtime.gcBgMarkWorker', 50],
  ['search', 'main handle json_parse', 200],
  ['search', 'main tcp_sendmsg', 60],
  ['search', 'main -', 40],
  ['batch', 'main deflate', 500],
  ['batch', 'main runtime.gcBgMarkWorker', 100],
  ['host', 'main', 10],
];

const YESTERDAY: typeof NOW = [
  ['old', 'main handle json_parse', 400],
  ['old', 'main handle deflate', 100],
  ['old', 'main handle', 100],
  ['batch', 'main deflate', 250],
];

/** Of `NOW`, what was taken in a span: trace, span. */
const SPANS: ReadonlyArray<readonly [Name, string, number, trace: string, span: string]> = [
  ['old', 'main handle json_parse', 250, KNOWN_TRACE, '00f067aa0ba902b7'],
  ['old', 'main handle', 50, KNOWN_TRACE, '00f067aa0ba902b7'],
  ['search', 'main handle json_parse', 150, KNOWN_TRACE, '00f067aa0ba902b8'],
  ['batch', 'main deflate', 500, 'ab'.repeat(16), '00f067aa0ba902b9'],
];

const unnamed = nativeFrameId('native', 'gnu:vv', 0x40n);
const frameOf = (name: string) => {
  if (name === '-') return unnamed;
  const [kind, file] = FUNCTIONS[name as keyof typeof FUNCTIONS];
  return namedFrameId(kind, name, file, 1);
};
const stackOf = (path: string) => path.split(' ').map(frameOf);
const idOf = (name: Name) => seriesId(SERIES[name].map((value, i) => [String(i), value] as const));

/** @param recent Unix seconds, less than an hour ago */
export async function insertKnownWeek(store: Store, recent: number): Promise<void> {
  const insert = (into: string, rows: readonly string[]) => store.command(`INSERT INTO ${into} VALUES ${rows.join()}`);
  const frames = Object.entries(FUNCTIONS).map(
    ([name, [kind, file, mapping]]) => `(${frameOf(name)}, '${kind}', '', 0, '${name}', '${file}', 1, '${mapping}')`,
  );
  await insert('frames (* EXCEPT(seen))', [
    ...frames,
    `(${unnamed}, 'native', 'gnu:vv', 64, '', '', 0, '/opt/vendor/libv.so')`,
  ]);
  await insert('symbols', [`(${unnamed}, 0, [], [], [], 'no file')`]);
  await insert(
    'series (series, cluster, node, namespace, pod, service, process, type, unit, period, labels, seen)',
    (Object.keys(SERIES) as Name[]).map((name) => {
      const [node, namespace, pod, service, process, version] = SERIES[name];
      const labels = version === '' ? 'map()' : `map('version', '${version}')`;
      return `(${idOf(name)}, 'test', '${node}', '${namespace}', '${pod}', '${service}', '${process}', 'cpu', 'nanoseconds', ${10 * MS}, ${labels}, ${recent})`;
    }),
  );
  const paths = [...new Set([...NOW, ...YESTERDAY].map(([, path]) => path))];
  await insert(
    'stacks (* EXCEPT(seen))',
    paths.map((path) => `(${stackId(stackOf(path))}, [${stackOf(path).join()}])`),
  );
  const samples = (of: typeof NOW, time: number) =>
    of.map(([name, path, ms]) => `(${time}, ${idOf(name)}, ${stackId(stackOf(path))}, ${ms * MS})`);
  await insert('samples (* EXCEPT(workload))', [...samples(NOW, recent), ...samples(YESTERDAY, recent - 86_400)]);
  await insert(
    'linked_samples (* EXCEPT(workload))',
    SPANS.map(
      ([name, path, ms, trace, span]) =>
        `(${recent}, ${idOf(name)}, ${stackId(stackOf(path))}, unhex('${trace}'), unhex('${span}'), ${ms * MS})`,
    ),
  );
  await insertFleet(store, recent);
}

/** n2 fell back for a quarter of an hour and raised an alert; n1 lost 4 samples of 100. */
async function insertFleet(store: Store, recent: number): Promise<void> {
  const event = (seconds: number, node: string, kind: string, state: object) =>
    `(toDateTime64(${recent + seconds}, 3), 'test', '${node}', '0a', '${kind}', '', '${JSON.stringify(state)}')`;
  const healthy = { mode: 'pods', fallback: false, rung: 1, kernel: '6.18.1', rateHz: 19 };
  await store.command(
    `INSERT INTO node_event_log VALUES ${[
      event(0, 'n1', 'started', healthy),
      event(0, 'n2', 'started', healthy),
      event(60, 'n2', 'mode-changed', { ...healthy, mode: 'whole-system', fallback: true }),
      event(960, 'n2', 'mode-changed', healthy),
    ].join()}`,
  );
  const delivery = (node: string, seq: number, taken: number, stored: number, lost: string) =>
    `(toDateTime64(${recent}, 3), '${node}', '0a', toDateTime64(${recent - 600}, 3), ${seq}, ${taken}, ${stored}, ${lost})`;
  await store.command(
    `INSERT INTO delivery_log (time, node, epoch, epoch_start, seq, taken, stored, lost) VALUES ${[
      delivery('n1', 1, 60, 58, `map('map-full', 2)`),
      delivery('n1', 2, 100, 38, `map('map-full', 4)`),
      delivery('n2', 1, 76, 76, 'map()'),
    ].join()}`,
  );
  const alert = (id: number, what: string, seconds: number) =>
    `(toDateTime64(${recent + seconds}, 3), ${id}, 'history', '${id}', 0, '${JSON.stringify({ time: (recent + seconds) * 1000, cluster: 'test', node: 'n2', kind: 'fallback', what, detail: '', alert: 'a' })}')`;
  await store.command(`INSERT INTO alert_change_log VALUES ${alert(1, 'fired', 90)}, ${alert(2, 'resolved', 990)}`);
}
