import {
  COMPARE_PER,
  type CompareFunction,
  type ComparePer,
  type CompareResponse,
  type CompareSide,
} from '@perfleet/api-contract';
import { Option, type Command } from 'commander';
import { apiOf, ask, withCaret } from '../api-client.ts';
import { formatTable } from '../table.ts';
import { wholeNumber } from './arguments.ts';
import { serverOption } from './query.ts';

interface CompareFlags {
  server: string;
  label?: string;
  base?: string;
  with?: string;
  baseQuery?: string;
  from?: string;
  until?: string;
  baseFrom?: string;
  baseUntil?: string;
  per: ComparePer;
  limit: string;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  perfleet compare 'cpu{service="checkout"}' --label version --base v1 --with v2
  perfleet compare 'cpu{pod=~"checkout-7d.*"}' --base-query 'cpu{pod=~"checkout-6f.*"}' --per pod
  perfleet compare 'cpu{service="checkout"}' --base-from now-25h --base-until now-24h --per time`;

export function registerCompare(program: Command): void {
  program
    .command('compare')
    .description('two versions of a service: which functions gained or lost')
    .argument('<selector>', 'as for `query`')
    .option('--label <name>', 'label that tells the versions apart')
    .option('--base <value>', 'its value for the base')
    .option('--with <value>', 'its value for what is compared with it')
    .option('--base-query <selector>', 'the base as a selector of its own')
    .option('--from <time>', 'Unix seconds, RFC 3339 or now-15m (default now-1h)')
    .option('--until <time>', 'default now')
    .option('--base-from <time>', 'default --from')
    .option('--base-until <time>', 'default --until')
    .addOption(
      new Option('--per <what>', 'scale the base to the same CPU time, time, or number of pods and time')
        .choices([...COMPARE_PER])
        .default('cpu'),
    )
    .option('--limit <n>', 'functions of each list', '20')
    .option('--json', 'as JSON')
    .addOption(serverOption())
    .addHelpText('after', EXAMPLES)
    .action((selector: string, flags: CompareFlags) =>
      compare(selector, flags).catch((error) => withCaret(selector, error)),
    );
}

async function compare(selector: string, { server, json, ...flags }: CompareFlags): Promise<void> {
  const { from = 'now-1h', until = 'now', ...others } = flags;
  const limit = wholeNumber('--limit', flags.limit, 0, 10_000);
  const query = { ...others, query: selector, from, until, limit };
  const answer = await ask(apiOf(server).GET('/api/v1/compare', { params: { query } }));
  process.stdout.write(json ? `${JSON.stringify(answer, null, 2)}\n` : compareText(answer));
}

export function compareText({ unit, per, scale, base, with: other, gained, lost, others }: CompareResponse): string {
  const seconds = unit === 'nanoseconds';
  const amount = (value: number) => (seconds ? value / 1e9 : value).toFixed(seconds ? 2 : 0);
  const side = (name: string, of: CompareSide) =>
    `${name.padEnd(5)} ${amount(of.total)} ${seconds ? 's of CPU' : unit}, ${of.samples} samples, ${of.pods} pods  ${of.selector}\n`;
  const signed = (value: number) => `${value > 0 ? '+' : ''}${amount(value)}`;
  const row = (f: CompareFunction) => [
    signed(f.change).padStart(9),
    amount(f.base.self * scale).padStart(9),
    amount(f.self).padStart(9),
    f.function,
    f.module || f.file,
  ];
  const rest = [
    signed(others.change).padStart(9),
    amount(others.baseSelf * scale).padStart(9),
    amount(others.self).padStart(9),
    `(${others.functions} others)`,
    '',
  ];
  const header = ['   change', '     base', '     with', 'function', 'module'];
  return (
    side('base', base) +
    side('with', other) +
    `base × ${scale.toPrecision(4)}: the same ${per === 'cpu' ? 'CPU time' : per === 'pod' ? 'pods and time' : 'time'}\n` +
    formatTable(header, [...gained.map(row), ...lost.map(row), rest])
  );
}
