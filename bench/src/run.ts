import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { commitOf, thisMachine, withSection, type Benchmark, type Report } from './report.ts';

export interface RunOptions {
  readonly root: string;
  readonly quick: boolean;
  readonly record: boolean;
  readonly options: Readonly<Record<string, string | undefined>>;
  readonly progress: (line: string) => void;
}

/** Runs a benchmark in a directory of its own, which is removed whatever happens. */
export async function runBenchmark(benchmark: Benchmark, options: RunOptions): Promise<Report> {
  if (options.record && options.quick)
    throw new Error('--quick figures are not comparable, so they are not recorded: leave out --quick or --record');
  const { root, quick } = options;
  const load = loadavg()[0] ?? 0;
  // So that what it started ends with it: processes are ended when this one exits, which a signal alone would not tell them.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  const directory = mkdtempSync(join(tmpdir(), `perfleet-bench-${benchmark.name}-`));
  try {
    const started = performance.now();
    const progress = (line: string) =>
      options.progress(`bench ${benchmark.name} ${Math.round((performance.now() - started) / 1000)} s: ${line}`);
    const result = await benchmark.run({ quick, root, directory, options: options.options, progress });
    const report: Report = {
      name: benchmark.name,
      date: new Date().toISOString(),
      commit: commitOf(root),
      machine: thisMachine(load),
      ...result,
    };
    if (options.record) {
      const path = join(root, 'bench', 'RESULTS.md');
      writeFileSync(path, withSection(path, report));
      options.progress(`recorded in ${path}`);
    }
    return report;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
