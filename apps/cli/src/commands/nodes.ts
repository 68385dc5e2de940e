import { fleetNodes, groupByCause, RUNG_NAMES } from '@perfleet/api-contract';
import type { FleetNode, NodeSummary } from '@perfleet/api-contract';
import type { Command } from 'commander';
import { apiOf, ask } from '../api-client.ts';
import { cellText, formatTable } from '../table.ts';
import { serverOption } from './query.ts';

export function registerNodes(program: Command): void {
  program
    .command('nodes')
    .description('the fleet: mode, rung, heartbeat and losses of every node, and what is wrong by cause')
    .option('--json', 'as JSON: the whole last word of every node, or with --causes the causes')
    .option('--causes', 'only what is wrong, grouped by cause')
    .option('--trouble', 'only nodes with something wrong')
    .addOption(serverOption())
    .action(async (flags: { server: string; json?: boolean; causes?: boolean; trouble?: boolean }) => {
      const fleet = fleetNodes(await ask(apiOf(flags.server).GET('/api/v1/fleet')));
      const causes = groupByCause(fleet);
      const shown = flags.trouble ? fleet.filter(isTroubled) : fleet;
      if (flags.json) {
        const answer = flags.causes ? causes : await lastWords(flags.server, new Set(shown.map((n) => n.node)));
        return void process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      }
      if (!flags.causes) process.stdout.write(nodesText(shown, Date.now()));
      for (const { kind, cause, nodes } of causes) {
        const count = `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`;
        process.stdout.write(`${cellText(`${count}: ${kind}: ${cause}`)}\n`);
      }
    });
}

async function lastWords(server: string, wanted: ReadonlySet<string>): Promise<NodeSummary[]> {
  const { nodes } = await ask(apiOf(server).GET('/api/v1/nodes'));
  return nodes.filter(({ node }) => wanted.has(node));
}

/** The table, and an empty line before what follows. */
export function nodesText(nodes: readonly FleetNode[], now: number): string {
  if (nodes.length === 0) return 'no node\n';
  const rows = nodes.map((n) => [
    n.node,
    n.alive ? age(n.lastSeen, now) : `silent ${age(n.lastSeen, now)}`,
    n.fallback ? `${n.mode} (fallback)` : n.mode,
    n.podRoots,
    `${n.rung} ${RUNG_NAMES[n.rung] ?? ''}`,
    n.rateHz < n.rateWanted ? `${n.rateHz} of ${n.rateWanted} Hz` : `${n.rateHz} Hz`,
    n.configVersion > 0 ? `${n.configVersion}${n.configError ? ' !' : ''}` : '-',
    n.restarts,
    n.taken > 0 ? `${((100 * n.lost) / n.taken).toFixed(2)} %` : '-',
    reasonOf(n),
  ]);
  return `${formatTable(['node', 'heartbeat', 'mode', 'pods below', 'rung', 'rate', 'config', 'restarts', 'lost', 'why'], rows)}\n`;
}

function isTroubled(n: FleetNode): boolean {
  return (
    !n.alive ||
    n.fallback ||
    n.rung > n.rungWanted ||
    n.restarts > 0 ||
    n.configError !== '' ||
    n.governor === 'lowered' ||
    n.governor === 'exhausted' ||
    n.kubeletMismatches !== ''
  );
}

function reasonOf(n: FleetNode): string {
  const budget = {
    off: '',
    ok: '',
    lowered: 'lowered by the governor',
    exhausted: 'over budget, nothing left to lower',
  };
  const reasons = [n.fallback && n.modeReason, n.rung > 1 && n.rungReason, n.configError, n.restarts > 0 && n.crash];
  return [...reasons, budget[n.governor], n.kubeletMismatches].find(Boolean) || '';
}

function age(lastSeen: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - lastSeen) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
