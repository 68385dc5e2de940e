import { discover } from './discover.ts';
import type { DiscoveryMode, NodeCapture, ProcessAttribution } from './model.ts';
import { readProcesses } from './process-paths.ts';

/** One line of `perfleet discover --replay FILE --json`. */
export interface ReplayResult {
  readonly name: string;
  readonly mode: DiscoveryMode;
  readonly reason: string;
  readonly podRoots: readonly string[];
  readonly processes: ReadonlyArray<{ readonly name: string } & ProcessAttribution>;
}

export function replay(layout: NodeCapture): ReplayResult {
  const { mode, reason, podRoots } = discover(layout);
  const processes = readProcesses(layout?.processes).map(({ name, attribution }) => ({ name, ...attribution }));
  return { name: typeof layout?.name === 'string' ? layout.name : '', mode, reason, podRoots, processes };
}

/** The result as one line of JSON, without the newline. */
export function replayLine(layout: NodeCapture): string {
  return JSON.stringify(replay(layout));
}
