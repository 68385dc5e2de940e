import { attributeProcess } from './attribute.ts';
import type { NodeCapture, ProcessAttribution } from './model.ts';
import { isBelow, parseProcCgroup, segmentsOf, strings, type ProcCgroupLine } from './paths.ts';

export interface CapturedProcess {
  readonly name: string;
  readonly lines: readonly ProcCgroupLine[];
  readonly attribution: ProcessAttribution;
}

const MAX_PROCESSES = 100_000;

export function readProcesses(processes: NodeCapture['processes']): CapturedProcess[] {
  if (!Array.isArray(processes)) return [];
  return (processes as unknown[]).slice(0, MAX_PROCESSES).map((process) => {
    const { name, procCgroup } = (process ?? {}) as { name?: unknown; procCgroup?: unknown };
    const text = typeof procCgroup === 'string' ? procCgroup : strings(procCgroup);
    return {
      name: typeof name === 'string' ? name : '',
      lines: parseProcCgroup(text),
      attribution: attributeProcess(text),
    };
  });
}

/** Whether a process runs below a root. `podNames` are the directory names of the root's pods. */
export function hasProcessBelow(
  processes: readonly CapturedProcess[],
  root: string,
  podNames: ReadonlySet<string>,
  hierarchy: { readonly version: 1 | 2; readonly controllers: readonly string[] } | null,
): boolean {
  return processes.some(({ lines }) =>
    lines.some((line) => {
      if (hierarchy && !belongs(line, hierarchy)) return false;
      if (!line.path.startsWith('/..')) return isBelow(line.path, root);
      // Seen from a cgroup namespace the path begins somewhere above: only what it ends with can be compared.
      const segments = segmentsOf(line.path).filter((segment) => segment !== '..');
      const top = root.split('/').pop()!;
      return segments.includes(top) || segments.some((segment) => podNames.has(segment));
    }),
  );
}

function belongs(line: ProcCgroupLine, hierarchy: { version: 1 | 2; controllers: readonly string[] }): boolean {
  if (hierarchy.version === 2) return line.controllers.length === 0;
  return line.controllers.some((controller) => hierarchy.controllers.includes(controller));
}
