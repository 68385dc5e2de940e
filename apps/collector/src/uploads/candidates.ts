import { NO_BINARY, type Window } from '@perfleet/sampler';
import { WindowRows } from '../window-rows.ts';

/** A binary that a living process maps. */
export interface Candidate {
  readonly gnu: string;
  /** As the process saw it. */
  readonly path: string;
  readonly pid: number;
}

const BUILD_ID = /^([0-9a-f]{2}){4,64}$/;

/**
 * The binaries of a window that are wanted, each with one process that runs it. A binary without a build id cannot be told from
 * others of its name on other nodes, so it stays.
 * @param isWanted asked once per build id
 */
export function candidates(window: Window, isWanted: (gnu: string) => boolean): Candidate[] {
  const { binaries, strings, stacks, frames, processes } = window;
  const rows = new WindowRows(window);
  const wanted = new Map<number, { readonly gnu: string; readonly path: string }>();
  const asked = new Set<string>();
  for (let i = 0; i < binaries.path.length; i++) {
    const [gnu, path] = [strings[binaries.gnuBuildId[i]!]!, strings[binaries.path[i]!]!];
    if (asked.has(gnu) || !BUILD_ID.test(gnu) || !path.startsWith('/')) continue;
    asked.add(gnu);
    if (isWanted(gnu)) wanted.set(i, { gnu, path });
  }
  const found: Candidate[] = [];
  for (let i = 0; i < rows.length && wanted.size > 0; i++) {
    const stack = rows.stack(i);
    for (let at = stacks.offset[stack]!; at < stacks.offset[stack + 1]!; at++) {
      const binary = frames.binary[stacks.frame[at]!]!;
      const hit = binary === NO_BINARY ? undefined : wanted.get(binary);
      if (!hit) continue;
      wanted.delete(binary);
      found.push({ ...hit, pid: processes.pid[rows.process(i)]! });
    }
  }
  return found;
}
