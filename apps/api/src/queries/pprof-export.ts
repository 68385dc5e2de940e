import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { encodePprof, type PprofFrame, type PprofLine, type PprofMapping } from '@perfleet/pprof';
import type { TimeRange } from '../http/time.ts';
import type { ResolvedFrame } from './frames.ts';
import type { StackSet } from './stack-set.ts';

/** Gzipped `profile.proto`. The process is the label `process`, as tools group by (`pprof -tagroot process`), and no frame. */
export async function pprofOf(set: StackSet, range: TimeRange): Promise<Uint8Array> {
  const locations = new Locations();
  const type = { type: set.type || 'samples', unit: set.unit || 'count' };
  const profile = encodePprof({
    sampleTypes: [type],
    periodType: type,
    period: 0,
    timeNanos: BigInt(range.from) * 1_000_000_000n,
    durationNanos: BigInt(range.until - range.from) * 1_000_000_000n,
    samples: set.stacks.map(({ frames: [process, ...frames], value }) => ({
      stack: locations.of(frames),
      values: [value],
      labels: [['process', process?.name ?? '']],
    })),
  });
  return promisify(gzip)(profile);
}

/** One object per frame and mapping, so that each is written once. */
class Locations {
  private readonly known = new Map<ResolvedFrame, PprofFrame>();
  private readonly mappings = new Map<string, PprofMapping>();

  /** @param frames root first, inlined functions after what they were inlined into. @returns leaf first */
  of(frames: readonly ResolvedFrame[]): PprofFrame[] {
    const stack: PprofFrame[] = [];
    for (let at = 0; at < frames.length;) {
      const outer = frames[at] as ResolvedFrame;
      let end = at + 1;
      while (frames[end]?.inlined) end++;
      let location = this.known.get(outer);
      // A chain's frames are the same objects wherever it stands, so its outermost one stands for it.
      if (!location) this.known.set(outer, (location = this.location(frames.slice(at, end))));
      stack.push(location);
      at = end;
    }
    return stack.reverse();
  }

  private location(chain: readonly ResolvedFrame[]): PprofFrame {
    const lines = chain.map(({ name, file, line }): PprofLine => ({ function: name, file, line })).reverse();
    const module = chain[0]?.module ?? '';
    if (module === '') return { lines };
    let mapping = this.mappings.get(module);
    if (!mapping) this.mappings.set(module, (mapping = { path: module, buildId: '' }));
    return { lines, mapping };
  }
}
