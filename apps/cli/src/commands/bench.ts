import type { Benchmark } from '@perfleet/bench';
import type { Command } from 'commander';
import { repositoryRoot } from '../paths.ts';

interface BenchFlags extends Record<string, string | boolean | undefined> {
  json?: boolean;
  quick?: boolean;
  record?: boolean;
}

/** The list of benchmarks loads every service: only for who asks for it. */
export async function registerBench(program: Command): Promise<void> {
  const bench = program
    .command('bench')
    .description('measure a part against a reference in the same run; bench/README.md says what and how');
  if (process.argv[2] !== 'bench') return;
  const { BENCHMARKS } = await import('@perfleet/bench');
  for (const benchmark of BENCHMARKS) {
    const command = bench
      .command(benchmark.name)
      .description(benchmark.description)
      .option('--json', 'the report as JSON')
      .option('--quick', 'seconds instead of minutes: shows that it works, not how fast it is')
      .option('--record', 'append the report to bench/RESULTS.md')
      .exitOverride();
    for (const { flags, description } of benchmark.options) command.option(flags, description);
    command.action((flags: BenchFlags) => run(benchmark, flags));
  }
}

async function run(benchmark: Benchmark, { json, quick, record, ...options }: BenchFlags): Promise<void> {
  const { runBenchmark, toText } = await import('@perfleet/bench');
  const report = await runBenchmark(benchmark, {
    root: repositoryRoot(),
    quick: quick === true,
    record: record === true,
    options: options as Record<string, string | undefined>,
    progress: (line) => void process.stderr.write(`${line}\n`),
  });
  // Whoever reads the pipe gets all of it before the process ends.
  await new Promise((resolve) =>
    process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : toText(report), resolve),
  );
  process.exit(0);
}
