import type { PprofFrame, PprofValueType } from '@perfleet/pprof';
import type { FoldedStacks } from '@perfleet/pyroscope';
import { badRequest } from '../http/api-error.ts';
import type { PushedProfile } from './pushed-profile.ts';

interface Kind extends PprofValueType {
  /** Pyroscope's name of the profile. */
  readonly name: string;
  /** Counts are samples at a rate; they become time. */
  readonly timed?: boolean;
}

/** What the last part of an application's name says, as Pyroscope reads it: `checkout.alloc_space`. */
const KINDS: Readonly<Record<string, Kind>> = {
  cpu: { name: 'process_cpu', type: 'cpu', unit: 'nanoseconds', timed: true },
  itimer: { name: 'process_cpu', type: 'cpu', unit: 'nanoseconds', timed: true },
  wall: { name: 'wall', type: 'wall', unit: 'nanoseconds', timed: true },
  alloc_objects: { name: 'memory', type: 'alloc_objects', unit: 'count' },
  alloc_space: { name: 'memory', type: 'alloc_space', unit: 'bytes' },
  inuse_objects: { name: 'memory', type: 'inuse_objects', unit: 'count' },
  inuse_space: { name: 'memory', type: 'inuse_space', unit: 'bytes' },
  goroutines: { name: 'goroutines', type: 'goroutine', unit: 'count' },
  mutex_count: { name: 'mutex', type: 'contentions', unit: 'count' },
  mutex_duration: { name: 'mutex', type: 'delay', unit: 'nanoseconds' },
  block_count: { name: 'block', type: 'contentions', unit: 'count' },
  block_duration: { name: 'block', type: 'delay', unit: 'nanoseconds' },
};

const MAX_RATE = 1_000_000;

/** @param sampleRate samples a second, for counts of CPU or wall clock samples */
export function foldedProfile(
  app: string,
  stacks: FoldedStacks,
  units: string,
  sampleRate: number,
  timeNanos: bigint,
): Pick<PushedProfile, 'profile' | 'name'> & { service: string } {
  const dot = app.lastIndexOf('.');
  const suffix = app.slice(dot + 1);
  const known = dot > 0 && Object.hasOwn(KINDS, suffix) ? KINDS[suffix] : undefined;
  const kind: Kind =
    known ??
    (units === 'samples' ? KINDS['cpu']! : { name: '', type: units, unit: units === 'bytes' ? 'bytes' : 'count' });
  if (!(sampleRate > 0 && sampleRate <= MAX_RATE))
    throw badRequest(`sampleRate must be above 0 and at most ${MAX_RATE}`);
  const period = kind.timed ? Math.round(1e9 / sampleRate) : 1;
  const frames = new Map<string, PprofFrame>();
  const frame = (name: string) => {
    let found = frames.get(name);
    if (!found) frames.set(name, (found = { lines: [{ function: name || '[unknown]', file: '', line: 0 }] }));
    return found;
  };
  const samples = [...stacks].map(([stack, count]) => ({
    stack: stack.split(';').reverse().map(frame),
    values: [BigInt(count) * BigInt(period)],
    labels: [],
  }));
  return {
    service: known ? app.slice(0, dot) : app,
    name: kind.name,
    profile: {
      sampleTypes: [{ type: kind.type, unit: kind.unit }],
      periodType: kind.timed ? { type: kind.type, unit: kind.unit } : { type: '', unit: '' },
      period: kind.timed ? BigInt(period) : 0n,
      timeNanos,
      durationNanos: 0n,
      samples,
    },
  };
}
