import type { NodesResponse } from '@perfleet/api-contract';
import type { Command } from 'commander';
import { callApi } from '../api-client.ts';
import { formatTable } from '../table.ts';
import { serverOption } from './query.ts';

const RUNGS: Record<number, string> = {
  1: '1 eBPF',
  2: '2 perf, whole system',
  3: '3 perf, own processes',
  4: '4 none',
};

export function registerNodes(program: Command): void {
  program
    .command('nodes')
    .description('the fleet: mode, rung and losses of every node')
    .option('--json', 'as JSON')
    .addOption(serverOption())
    .action(async (flags: { server: string; json?: boolean }) => {
      const { nodes } = await callApi<NodesResponse>(flags.server, 'nodes');
      if (flags.json) return void process.stdout.write(`${JSON.stringify(nodes, null, 2)}\n`);
      const rows = nodes.map((n) => [
        n.node,
        n.alive ? 'alive' : 'silent',
        n.fallback ? `${n.mode} (fallback)` : n.mode,
        RUNGS[n.rung] ?? String(n.rung),
        n.rateHz,
        n.taken,
        Object.values(n.lost).reduce((sum, count) => sum + count, 0),
        n.fallback ? n.modeReason : n.rung > 1 ? n.rungReason : n.lastExit,
      ]);
      process.stdout.write(formatTable(['node', 'heartbeat', 'mode', 'rung', 'Hz', 'taken', 'lost', 'why'], rows));
    });
}
