import { basename } from 'node:path';
import type { Command } from 'commander';
import { apiOf, ask } from '../api-client.ts';
import { formatTable } from '../table.ts';
import { wholeNumber } from './arguments.ts';
import { serverOption } from './query.ts';

interface UnresolvedFlags {
  server: string;
  from?: string;
  until?: string;
  limit: string;
  json?: boolean;
}

/** What an operator can do about it, where there is something. */
const HELP = `
Reasons: "no file" – the binary was gone before it was read, or no symbolizer runs on its node; put it into
PERFLEET_BINARIES_DIR as gnu-BUILDID, or set PERFLEET_DEBUGINFOD_URLS. "no symbol" – the binary is stripped; install its
debug package, or put its debug file there as gnu-BUILDID.debug. "other code claims this build id" – two files carry one
build id; the names are those of the file that was known first.`;

export function registerUnresolved(program: Command): void {
  program
    .command('unresolved')
    .description('binaries whose frames lack names: since when, why, and how many samples they carry')
    .argument('[selector]', 'as for `query`; everything by default', '')
    .option('--from <time>', 'Unix seconds, RFC 3339 or now-15m (default now-1h)')
    .option('--until <time>', 'default now')
    .option('--limit <n>', 'binaries', '30')
    .option('--json', 'as JSON')
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(async (selector: string, flags: UnresolvedFlags) => {
      const { from = 'now-1h', until = 'now', limit } = flags;
      const query = { query: selector, from, until, limit: wholeNumber('--limit', limit, 1, 10_000) };
      const { binaries } = await ask(apiOf(flags.server).GET('/api/v1/unresolved-binaries', { params: { query } }));
      if (flags.json) return void process.stdout.write(`${JSON.stringify(binaries, null, 2)}\n`);
      const rows = binaries.map((b) => [
        b.samples,
        `${(100 * b.share).toFixed(1)} %`,
        b.nodes,
        new Date(b.since).toISOString().slice(0, 19).replace('T', ' '),
        basename(b.binary) || b.binaryId,
        b.binaryId,
        b.reason,
      ]);
      const header = ['samples', 'share', 'nodes', 'since (UTC)', 'binary', 'id', 'why'];
      process.stdout.write(rows.length === 0 ? 'every frame has a name\n' : formatTable(header, rows));
    });
}
