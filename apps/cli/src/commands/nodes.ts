import { fleetNodes, groupByCause, RUNG_NAMES, type FleetColumns, type FleetNode } from '@perfleet/api-contract';
import type { Command } from 'commander';
import { callApi } from '../api-client.ts';
import { formatTable } from '../table.ts';
import { serverOption } from './query.ts';

/** A reason takes the rest of a wide terminal's line. */
const MAX_REASON = 100;

export function registerNodes(program: Command): void {
  program
    .command('nodes')
    .description('the fleet: mode, rung, heartbeat and losses of every node, and what is wrong by cause')
    .option('--json', 'as JSON: nodes and causes')
    .option('--trouble', 'only nodes with something wrong')
    .addOption(serverOption())
    .action(async (flags: { server: string; json?: boolean; trouble?: boolean }) => {
      const all = fleetNodes(await callApi<FleetColumns>(flags.server, 'fleet'));
      const nodes = flags.trouble ? all.filter(isTroubled) : all;
      const causes = groupByCause(all);
      if (flags.json) return void process.stdout.write(`${JSON.stringify({ nodes, causes }, null, 2)}\n`);
      process.stdout.write(nodesText(nodes, Date.now()));
      for (const { kind, cause, nodes: affected } of causes)
        process.stdout.write(`${affected.length} ${affected.length === 1 ? 'node' : 'nodes'}: ${kind}: ${cause}\n`);
    });
}

/** The table, and an empty line before what follows. */
export function nodesText(nodes: readonly FleetNode[], now: number): string {
  if (nodes.length === 0) return 'no node\n';
  const rows = nodes.map((n) => [
    n.node,
    n.alive ? age(n.lastSeen, now) : `silent ${age(n.lastSeen, now)}`,
    n.fallback ? `${n.mode} (fallback)` : n.mode,
    `${n.rung} ${RUNG_NAMES[n.rung] ?? ''}`,
    `${n.rateHz} Hz`,
    n.restarts,
    n.taken > 0 ? `${((100 * n.lost) / n.taken).toFixed(2)} %` : '-',
    reasonOf(n),
  ]);
  return `${formatTable(['node', 'heartbeat', 'mode', 'rung', 'rate', 'restarts', 'lost', 'why'], rows)}\n`;
}

function isTroubled(n: FleetNode): boolean {
  return !n.alive || n.fallback || n.rung > n.rungWanted || n.restarts > 0;
}

function reasonOf(n: FleetNode): string {
  const reason =
    [n.fallback && n.modeReason, n.rung > 1 && n.rungReason, n.restarts > 0 && n.crash].find(Boolean) || '';
  const line = reason.replace(/\s+/g, ' ');
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON - 1)}…` : line;
}

function age(lastSeen: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - lastSeen) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
