/**
 * Kills, freezes and restarts every part of the pipeline and fills the disks of its nodes, in random order, and checks that every
 * row is in the store exactly once.
 *
 *   npm run test:faults -- [--seconds 300] [--seed N]
 *
 * The seed is printed; the same seed gives the same fleet and the same faults. Their effects also depend on the machine's timing.
 */
import { requireTool } from '@perfleet/testing';
import { runArguments } from '../support/run-arguments.ts';
import { runFaults } from './run-faults.ts';

const USAGE = `npm run test:faults -- [--seconds 300] [--seed N]

Kills, freezes and restarts every part of the pipeline for that long, and counts every row. Needs java and redis-server.
`;

const values = runArguments(USAGE, { seconds: { type: 'string', default: '300' }, seed: { type: 'string' } });
const seconds = Number(values.seconds);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const say = (line: string) => process.stderr.write(`${line}\n`);
if (!(seconds >= 1 && seconds <= 3600) || !Number.isInteger(seed)) {
  say('--seconds is from 1 to 3600, --seed a whole number');
  process.exit(2);
}
for (const tool of ['java', 'redis-server']) {
  const { available, reason } = requireTool(tool);
  if (available) continue;
  say(reason);
  process.exit(2);
}
// What was started goes with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
say(`seed ${seed}, ${seconds} s`);
const { differences, faults, skipped, noSpace, rows, epochs } = await runFaults({ seed, seconds, say });
for (const [fault, times] of Object.entries(faults)) say(`${String(times).padStart(4)} × ${fault}`);
for (const one of skipped) say(`skipped: ${one}`);
const sum = (of: (epoch: (typeof epochs)[number]) => number) => epochs.reduce((all, epoch) => all + of(epoch), 0);
say(
  `${rows} rows of ${epochs.length} epochs; ${sum((e) => e.messages)} messages, ${sum((e) => e.duplicates)} of them sent again, ` +
    `${sum((e) => e.gaps)} never; samples: ${sum((e) => e.taken)} taken, ${sum((e) => e.stored)} stored, ` +
    `${sum((e) => e.lost['spool-dropped']!)} dropped, ${sum((e) => e.lost['not spooled']!)} refused or untold`,
);
say(`${noSpace} times a store whose disk was full refused a block`);
for (const line of differences) say(line);
say(differences.length === 0 ? `seed ${seed}: every row exactly once` : `seed ${seed}: FAILED`);
process.exit(differences.length === 0 ? 0 : 1);
