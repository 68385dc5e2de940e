import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { apiOf, ask, withCaret } from '../api-client.ts';
import { heatmapText } from '../heatmap-text.ts';
import { namedValue, wholeNumber } from './arguments.ts';
import { formatTable } from '../table.ts';

/** Where the API is: shared by every command that asks it. */
export function serverOption(): Option {
  return new Option('--server <url>', 'address of the API').env('PERFLEET_SERVER').default('http://127.0.0.1:4700');
}

const FORMATS = ['top', 'folded', 'pprof', 'speedscope', 'firefox', 'heatmap', 'json'] as const;

interface QueryFlags {
  server: string;
  from?: string;
  until?: string;
  format: (typeof FORMATS)[number];
  by?: string;
  limit: string;
  output?: string;
}

interface SqlFlags {
  server: string;
  format: string;
  param: Record<string, string>;
}

export function registerQuery(program: Command): void {
  program
    .command('query')
    .description('profiles by selector, e.g. perfleet query \'cpu{process="node"}\' --from now-15m')
    .argument('<selector>', 'as in Prometheus and Pyroscope: cpu{service="checkout", pod=~"web-.*"}')
    .option('--from <time>', 'Unix seconds, RFC 3339 or now-15m (default now-1h)')
    .option('--until <time>', 'default now')
    .addOption(new Option('--format <format>', 'what to print').choices([...FORMATS]).default('top'))
    .option('--limit <n>', 'functions in the top list', '30')
    .option('--by <label>', 'heatmap: what is counted (default each series)')
    .option('-o, --output <file>', 'write to a file instead of the terminal')
    .addOption(serverOption())
    .action((selector: string, flags: QueryFlags) =>
      query(selector, flags).catch((error) => withCaret(selector, error)),
    );

  program
    .command('sql')
    .description(
      'SQL over the views profiles, functions, spans, nodes, node_events, alert_history, deliveries, coverage, coverage_windows and unresolved_binaries (docs/sql.md)',
    )
    .argument('<query>', 'e.g. "SELECT function, sum(self) FROM functions GROUP BY function ORDER BY 2 DESC LIMIT 10"')
    .option('--param <name=value>', 'value of {name:Type} in the query; may be repeated', namedValue, {})
    .addOption(new Option('--format <format>', 'what to print').choices(['table', 'json', 'csv']).default('table'))
    .addOption(serverOption())
    .action((text: string, flags: SqlFlags) => sql(text, flags).catch((error) => withCaret(text, error)));
}

async function query(selector: string, flags: QueryFlags): Promise<void> {
  const api = apiOf(flags.server);
  const range = { query: selector, from: flags.from ?? 'now-1h', until: flags.until ?? 'now' };
  if (flags.format === 'heatmap') {
    const map = await ask(api.GET('/api/v1/heatmap', { params: { query: { ...range, by: flags.by } } }));
    return emit(heatmapText(map), flags.output);
  }
  if (flags.format !== 'top' && flags.format !== 'json') {
    const query = { ...range, format: flags.format };
    const data = await ask(api.GET('/api/v1/export', { params: { query }, parseAs: 'arrayBuffer' }));
    if (flags.format === 'pprof' && !flags.output && process.stdout.isTTY)
      throw new Error('pprof is binary; name a file with -o profile.pb.gz');
    return emit(Buffer.from(data), flags.output);
  }
  if (flags.format === 'json')
    return emit(
      `${JSON.stringify(await ask(api.GET('/api/v1/flamegraph', { params: { query: range } })))}\n`,
      flags.output,
    );
  const limit = wholeNumber('--limit', flags.limit, 1, 10_000);
  const top = await ask(api.GET('/api/v1/top', { params: { query: { ...range, limit } } }));
  const share = (value: number) => `${top.total ? ((100 * value) / top.total).toFixed(1) : '0.0'} %`.padStart(7);
  const rows = top.functions.map((f) => [share(f.self), share(f.total), f.function, f.module || f.file]);
  emit(
    `total ${(top.total / 1e9).toFixed(2)} s of CPU\n${formatTable(['   self', '  total', 'function', 'module'], rows)}`,
    flags.output,
  );
}

async function sql(text: string, flags: SqlFlags): Promise<void> {
  const answer = await ask(apiOf(flags.server).POST('/api/v1/sql', { body: { query: text, params: flags.param } }));
  const names = answer.columns.map((column) => column.name);
  if (flags.format === 'json') emit(`${JSON.stringify(answer)}\n`);
  else if (flags.format === 'csv')
    emit([names, ...answer.rows].map((row) => row.map(csvCell).join(',')).join('\n') + '\n');
  else emit(formatTable(names, answer.rows));
}

function csvCell(value: unknown): string {
  const text = value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value ?? '');
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function emit(data: string | Buffer, file?: string): void {
  if (file) writeFileSync(file, data);
  else process.stdout.write(data);
}
