/**
 * Keeps Redis away from a profiled machine and checks that nothing but the registry of nodes noticed.
 *
 *   npm run test:redis-away -- [--seconds 600]
 */
import { requireTool } from '@perfleet/testing';
import { runArguments } from '../support/run-arguments.ts';
import { keepRedisAway } from './redis-away.ts';

const USAGE = `npm run test:redis-away -- [--seconds 600]

Profiles this machine while Redis is away for that long, and compares. Needs redis-server and what \`perfleet up\` needs.
`;

const values = runArguments(USAGE, { seconds: { type: 'string', default: '600' } });
const seconds = Number(values.seconds);
const say = (line: string) => process.stderr.write(`${line}\n`);
const { available, reason } = requireTool('redis-server');
if (!available || !(seconds >= 20 && seconds <= 86_400)) {
  say(available ? '--seconds is from 20 to 86400' : reason);
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const { differences, taken, stored, longestGap, rightAfterMs } = await keepRedisAway(seconds, say);
say(
  `${seconds} s without Redis: ${taken} samples taken, ${stored} stored, at most ${longestGap} s between windows, ` +
    `the state right ${rightAfterMs} ms after its return`,
);
for (const line of differences) say(line);
say(differences.length === 0 ? 'nothing else noticed' : 'FAILED');
process.exit(differences.length === 0 ? 0 : 1);
