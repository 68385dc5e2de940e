import type { Discovery, ProcessAttribution, ReplayResult } from '@perfleet/cgroup';
import { formatTable } from './table.ts';

/** What of the node's processes has a name. Processes are counted by distinct cgroups. */
export interface ProcessSummary {
  readonly inPods: number;
  readonly containersOutsidePods: ReadonlyArray<{ readonly containerId: string; readonly runtime: string | null }>;
  /** Names of processes of container runtimes. */
  readonly runtimes: readonly string[];
  /** Names of processes that belong to neither a pod nor a container. */
  readonly unattributed: readonly string[];
}

type NamedProcess = { readonly name: string } & ProcessAttribution;

export function summarize(processes: readonly NamedProcess[]): ProcessSummary {
  const outside = new Map<string, string | null>();
  const runtimes = new Set<string>();
  const unattributed = new Set<string>();
  let inPods = 0;
  for (const { name, podUid, containerId, infra, runtime } of processes) {
    if (podUid !== null) inPods++;
    else if (containerId !== null) outside.set(containerId, runtime);
    else if (infra) runtimes.add(name);
    else unattributed.add(name);
  }
  return {
    inPods,
    containersOutsidePods: [...outside].map(([containerId, runtime]) => ({ containerId, runtime })),
    runtimes: [...runtimes].sort(),
    unattributed: [...unattributed].sort(),
  };
}

const MAX_ROWS = 200;
const MAX_NAMES = 12;

/** For people: the mode and why first, then what it rests on. */
export function formatDiscovery(found: Discovery, summary: ProcessSummary): string {
  const hierarchies = [...found.hierarchies]
    .sort((a, b) => Number(a.rejected !== undefined) - Number(b.rejected !== undefined))
    .map(({ mountpoint, version, controllers, root, rejected }) => [
      rejected === undefined ? 'used' : 'rejected',
      version === 2 ? 'v2' : 'v1',
      controllers.join(','),
      mountpoint,
      root,
      rejected ?? '',
    ]);
  const pods = found.pods.map(({ uid, qos, path, containers }) => [uid, qos ?? '?', containers.length, path]);
  const containers = summary.containersOutsidePods.map(({ containerId, runtime }) => [containerId, runtime ?? '?']);
  const parts = [
    `mode       ${found.mode}${found.fallback ? ' (fallback: pods were expected here)' : ''}\n` +
      `why        ${found.reason}\n` +
      `pod roots  ${found.podRoots.join(', ') || 'none'}\n`,
    section('cgroup hierarchies', ['', 'version', 'controllers', 'mountpoint', 'root', 'why not'], hierarchies),
    section('pods', ['uid', 'class', 'containers', 'path'], pods),
    section('containers outside pods', ['id', 'runtime'], containers),
    `unattributed: ${count(summary.unattributed)} of the host` +
      (summary.runtimes.length > 0 ? `, ${count(summary.runtimes)} of container runtimes` : '') +
      ' (profiled by process name)\n',
  ];
  return oneLiners(parts.filter((part) => part !== '').join('\n'));
}

/** One line of `--replay` for people. */
export function formatReplay({ name, mode, podRoots, processes, reason }: ReplayResult): string {
  const { inPods, containersOutsidePods } = summarize(processes);
  const named = `${inPods} in pods, ${containersOutsidePods.length} in containers, ${processes.length} in all`;
  const line = `${name || '(no name)'}: ${mode}, pod roots ${podRoots.join(', ') || 'none'}; processes: ${named}; ${reason}`;
  return oneLiners(line.replaceAll('\n', ' '));
}

function section(title: string, header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  if (rows.length === 0) return `${title}: none\n`;
  const more = rows.length > MAX_ROWS ? `… and ${rows.length - MAX_ROWS} more (--json shows all)\n` : '';
  return `${title}: ${rows.length}\n${formatTable(header, rows.slice(0, MAX_ROWS))}${more}`;
}

function count(names: readonly string[]): string {
  if (names.length === 0) return 'no process';
  const more = names.length > MAX_NAMES ? ', …' : '';
  return `${names.length} kinds of processes (${names.slice(0, MAX_NAMES).join(', ')}${more})`;
}

/** Names of cgroups and processes are chosen by whoever runs them, and must not move the cursor. */
function oneLiners(text: string): string {
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' ');
}
