import type { Command } from 'commander';
import type { SimulateFlags } from '../simulation/simulate.ts';
import { withOptions } from './options.ts';

/** A synthetic fleet on the configured stream: the same messages for the same seed, and what they must add up to. */
export function registerSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('a synthetic fleet that publishes real messages on the configured stream')
    .option('--nodes <n>', 'nodes', '10')
    .option('--pods <n>', 'pods over all nodes', '100')
    .option('--services <n>', 'services, each with a call graph of its own', '10')
    .option('--stacks <n>', 'distinct stacks of a service', '2500')
    .option('--samples <n>', 'samples of a pod and window, on average', '19')
    .option('--duration <time>', 'time that the fleet lives: 10s, 2m', '1m')
    .option('--window <time>', 'length of a window', '5s')
    .option('--speed <factor>', 'times faster than the clock; 0 = as fast as the stream takes it', '1')
    .option('--seed <n>', 'same seed, same fleet', '1')
    .option('--totals <file>', 'write what a store must hold at the end, as JSON');
  withOptions(command, ['kafka', 'cluster', 'data', 'logLevel']).action(async (flags: SimulateFlags) =>
    (await import('../simulation/simulate.ts')).simulate(flags),
  );
}
