import type { Command } from 'commander';
import type { RecordFlags } from '../recording/record.ts';

export function registerRecord(program: Command): void {
  program
    .command('record')
    .description('profile now, symbolized, into a file; needs no service')
    .option('--duration <time>', 'how long: 10s, 2m or 500ms', '10s')
    .option('--pid <n>', 'this process only')
    .option('--rate <hz>', 'samples a second and CPU', '99')
    .option('--rung <n>', 'sampler: auto, 1 (eBPF), 2 (perf, whole system), 3 (perf, own processes)')
    .option('--off-cpu', 'time that threads are blocked: beside CPU time in .pb.gz, instead of it in the other formats')
    .requiredOption('-o, --output <file>', 'by its name: .pb.gz (pprof), .folded, .speedscope.json or .firefox.json')
    .addHelpText(
      'after',
      '\nExample: perfleet record --duration 30s --pid 1234 -o profile.pb.gz && go tool pprof -top profile.pb.gz',
    )
    .action(async (flags: RecordFlags) => (await import('../recording/record.ts')).record(flags));
}
