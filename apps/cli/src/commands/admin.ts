import type { Store } from '@perfleet/clickhouse';
import { ConfigError } from '@perfleet/config';
import type { Command } from 'commander';
import type { Retention } from '../admin/retention.ts';
import type { Servers } from '../admin/servers.ts';
import { openProfileStore, serverOptions } from '../adapters.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { cellText, formatTable } from '../table.ts';
import { wholeNumber } from './arguments.ts';
import { confirm } from './confirm.ts';
import { asSettings, withOptions } from './options.ts';

const HELP = `
The store is the ClickHouse server of --clickhouse-url, or the engine in --data: that of \`perfleet up\` or \`perfleet clickhouse\` where
one of them has it open.

Examples:
  perfleet admin usage --limit 10
  perfleet admin check --json
  perfleet admin drop --from 2026-11-01 --until 2026-11-07
  perfleet admin retention --raw 30 --day 800
  PERFLEET_CLICKHOUSE_SQL_USER=reader PERFLEET_CLICKHOUSE_SQL_PASSWORD=… perfleet admin sql-user
  PERFLEET_CLICKHOUSE_SQL_USER=shop PERFLEET_CLICKHOUSE_SQL_PASSWORD=… perfleet admin sql-user --label namespace=shop`;

interface Flags extends Record<string, unknown> {
  clickhouseUrl?: string;
  data?: string;
  json?: boolean;
  yes?: boolean;
  limit: string;
  from: string;
  until: string;
  raw?: string;
  tenMinutes?: string;
  day?: string;
  label?: string[];
}

/** The store, for operators. */
export function registerAdmin(program: Command): void {
  const admin = program
    .command('admin')
    .description(
      'the store: what it holds by table, service and node; check it; drop days of it; how long it keeps them',
    )
    .addHelpText('after', HELP);
  const command = (name: string, description: string) =>
    withOptions(admin.command(name).description(description).exitOverride().addHelpText('after', HELP), [
      'clickhouse',
      'data',
    ]).option('--json', 'as JSON');

  command('usage', 'rows, bytes and days by table, service and node')
    .option('--limit <n>', 'services and nodes, those with the most rows', '20')
    .action((flags: Flags) => withServers(flags, (servers) => usage(servers, flags)));

  command('check', 'look for inconsistencies; exit code 1 when there are any').action(async (flags: Flags) => {
    if (!(await withServers(flags, (servers) => check(servers, flags)))) process.exitCode = 1;
  });

  command('drop', 'drop the samples of whole days')
    .requiredOption('--from <day>', 'first day (UTC), YYYY-MM-DD')
    .requiredOption('--until <day>', 'last day, also dropped')
    .option('--yes', 'do not ask')
    .action((flags: Flags) => withServers(flags, (servers) => dropDays(servers, flags)));

  command('retention', 'for how many days each tier is kept; with options, change it')
    .option('--raw <days>', 'raw samples, for every query')
    .option('--ten-minutes <days>', 'roll-ups by ten minutes, for queries without node, pod and container id')
    .option('--day <days>', 'roll-ups by the day, the same')
    .action((flags: Flags) => withServers(flags, (servers) => retention(servers, flags)));

  command(
    'sql-user',
    'make a user of the ClickHouse server who reads the public views alone; run it again after an upgrade',
  )
    .option('--label <name=value...>', 'see samples with it only; a label that comes again has one more value')
    .action(sqlUser);
}

async function sqlUser(flags: Flags): Promise<void> {
  const { parseLabels } = await import('@perfleet/tokens');
  const { makeSqlUser } = await import('../admin/users.ts');
  const settings = settingsOf(flags);
  const { clickhouseUrl, clickhouseSqlUser: user, clickhouseSqlPassword: password } = settings;
  if (!clickhouseUrl) throw new ConfigError('users are of a ClickHouse server: name it with --clickhouse-url');
  if (!user || !password)
    throw new ConfigError('set PERFLEET_CLICKHOUSE_SQL_USER and PERFLEET_CLICKHOUSE_SQL_PASSWORD: flags are public');
  const labels = parseLabels(flags.label ?? []);
  await withStore(flags, async (store) =>
    makeSqlUser(store, await serverOptions(settings), { user, password, labels }),
  );
  print(flags.json ? JSON.stringify({ user, labels }) : `${user} reads the public views`);
}

const settingsOf = ({ clickhouseUrl, data }: Flags) => loadSettings(asSettings({ clickhouseUrl, data }));

async function withServers<T>(flags: Flags, work: (servers: Servers) => Promise<T>): Promise<T> {
  const { openServers } = await import('../admin/servers.ts');
  return withStore(flags, async (store) => {
    const servers = await openServers(store, await serverOptions(settingsOf(flags)));
    try {
      return await work(servers);
    } finally {
      await servers.close();
    }
  });
}

async function withStore<T>(flags: Flags, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openOwnOrShared(settingsOf(flags));
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** One process may have the engine of a data directory open: when one has, it is asked. */
async function openOwnOrShared(settings: Settings): Promise<Store> {
  const { openSharedStore } = await import('../shared-store.ts');
  const shared = await openSharedStore(settings);
  if (!shared) return openProfileStore(settings);
  process.stderr.write(`the store of the process that has ${settings.dataDir} open\n`);
  return shared;
}

async function usage(servers: Servers, flags: Flags): Promise<void> {
  const { samplesUsage, storeUsage } = await import('../admin/usage.ts');
  const limit = wholeNumber('--limit', flags.limit, 1, 10_000);
  const { tables, servers: held } = await storeUsage(servers);
  const samples = tables.find(({ table }) => table === 'samples');
  const services = await samplesUsage(servers, samples, 'service', limit);
  const nodes = await samplesUsage(servers, samples, 'node', limit);
  if (flags.json) return print(JSON.stringify({ tables, services, nodes, servers: held }, null, 2));
  const perRow = (bytes: number, rows: number) => (rows > 0 ? (bytes / rows).toFixed(1) : '-');
  const ofTables = tables.map((t) => {
    return [t.table, t.rows, size(t.bytes), perRow(t.bytes, t.rows), size(t.rawBytes), t.partitions, t.from, t.until];
  });
  const header = ['table', 'rows', 'on disk', 'a row', 'raw', 'partitions', 'from', 'until'];
  print(formatTable(header, ofTables));
  for (const [name, shares] of [['service', services] as const, ['node', nodes] as const]) {
    const rows = shares.map((share) => [share.name || '(none)', share.rows, size(share.bytes), share.days]);
    print(formatTable([name, 'sample rows', 'about', 'days'], rows));
  }
  if (held.length > 1) {
    const rows = held.map(({ shard, server, rows: count, bytes, parts }) => [shard, server, count, size(bytes), parts]);
    print(formatTable(['shard', 'server', 'rows', 'on disk', 'parts'], rows));
  }
}

async function check(servers: Servers, { json }: Flags): Promise<boolean> {
  const { CHECKS, checkStore } = await import('../admin/check.ts');
  const findings = await checkStore(servers);
  const wrong = findings.filter(({ count }) => count > 0);
  if (json) print(JSON.stringify(findings, null, 2));
  else {
    for (const { check: name, count, examples } of findings) {
      const { meaning } = CHECKS.find((one) => one.name === name)!;
      const found = `${count}: ${meaning}; such as ${examples.map(cellText).join(', ')}`;
      print(`${count === 0 ? 'pass' : 'fail'}  ${name}${count === 0 ? '' : `: ${found}`}`);
    }
  }
  return wrong.length === 0;
}

async function dropDays(servers: Servers, flags: Flags): Promise<void> {
  const { drop, parseDay, planDrop } = await import('../admin/drop.ts');
  const plan = await planDrop(servers, parseDay('--from', flags.from), parseDay('--until', flags.until));
  const { partitions, rows, bytes, rollUpRows } = plan;
  const days = partitions.map((id) => id.replace(/^(....)(..)(..)$/, '$1-$2-$3'));
  if (partitions.length > 0 || rollUpRows > 0) {
    const raw = `${rows} rows (${size(bytes)}) of ${days.length} days${days.length > 0 ? `, ${days[0]} to ${days.at(-1)}` : ''}`;
    const what = `${raw}, and ${rollUpRows} rows of roll-ups`;
    if (!(await confirm(`Drop ${what}? They cannot be had back.`, flags.yes))) return;
    await drop(servers, plan);
    if (!flags.json) return print(`dropped ${what}`);
  }
  print(flags.json ? JSON.stringify({ days, rows, bytes, rollUpRows }) : 'no samples of these days');
}

async function retention(servers: Servers, { raw, tenMinutes, day, json }: Flags): Promise<void> {
  const { readRetention, setRetention } = await import('../admin/retention.ts');
  const asked = { raw, tenMinutes, day };
  const before = await readRetention(servers);
  const wanted = Object.fromEntries(
    Object.entries(before).map(([tier, days]) => {
      const text = asked[tier as keyof Retention];
      return [
        tier,
        text === undefined ? days : wholeNumber(`--${tier === 'tenMinutes' ? 'ten-minutes' : tier}`, text, 1, 3650),
      ];
    }),
  ) as unknown as Retention;
  if (Object.values(asked).some((text) => text !== undefined)) await setRetention(servers, wanted);
  if (json) return print(JSON.stringify(wanted, null, 2));
  const rows = [
    ['raw', wanted.raw],
    ['ten minutes', wanted.tenMinutes],
    ['day', wanted.day],
  ];
  print(formatTable(['tier', 'days'], rows));
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function size(bytes: number): string {
  let unit = 0;
  for (; bytes >= 1024 && unit < UNITS.length - 1; unit++) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${UNITS[unit]}`;
}

function print(text: string): void {
  process.stdout.write(`${text.trimEnd()}\n`);
}
