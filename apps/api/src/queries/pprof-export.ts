import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodePprof, type PprofFrame, type PprofLine, type PprofMapping } from '@perfleet/pprof';
import { namesOf, type FrameColumns } from '@perfleet/profile';
import type { TimeRange } from '../http/time.ts';
import type { StackSet } from './stack-set.ts';

/** Gzipped `profile.proto`. The process is the label `process`, as tools group by (`pprof -tagroot process`), and no frame. */
export async function pprofOf(set: StackSet, range: TimeRange): Promise<Uint8Array> {
  const locations = new Locations(set.frames);
  const type = { type: set.type || 'samples', unit: set.unit || 'count' };
  const { offsets, frames, values } = set.stacks;
  const profile = encodePprof({
    sampleTypes: [type],
    periodType: type,
    period: 0,
    timeNanos: BigInt(range.from) * 1_000_000_000n,
    durationNanos: BigInt(range.until - range.from) * 1_000_000_000n,
    samples: Array.from(values, (value, row) => ({
      stack: locations.of(frames.subarray(offsets[row]! + 1, offsets[row + 1]!)),
      values: [value],
      labels: [['process', locations.name(frames[offsets[row]!]!)]] as const,
    })),
  });
  return promisify(gzip)(profile);
}

/** One object per chain of inlined frames and per mapping, so that each is written once. */
class Locations {
  private readonly known = new Map<string, PprofFrame>();
  private readonly mappings = new Map<string, PprofMapping>();

  constructor(private readonly frames: FrameColumns) {}

  name(frame: number): string {
    return namesOf(this.frames.functions, this.frames.function[frame]!).name;
  }

  /** @param stack root first, inlined functions after what they were inlined into. @returns leaf first */
  of(stack: Uint32Array): PprofFrame[] {
    const locations: PprofFrame[] = [];
    for (let at = 0; at < stack.length;) {
      let end = at + 1;
      while (end < stack.length && this.frames.inlined[stack[end]!]) end++;
      const chain = stack.subarray(at, end);
      const key = chain.join();
      let location = this.known.get(key);
      if (!location) this.known.set(key, (location = this.location(chain)));
      locations.push(location);
      at = end;
    }
    return locations.reverse();
  }

  private location(chain: Uint32Array): PprofFrame {
    const { functions, function: functionOf, line } = this.frames;
    const lines = Array.from(chain, (frame): PprofLine => {
      const { name, file } = namesOf(functions, functionOf[frame]!);
      return { function: name, file, line: line[frame]! };
    }).reverse();
    const { module } = namesOf(functions, functionOf[chain[0]!]!);
    if (module === '') return { lines };
    let mapping = this.mappings.get(module);
    if (!mapping) this.mappings.set(module, (mapping = { path: module, buildId: '' }));
    return { lines, mapping };
  }
}
