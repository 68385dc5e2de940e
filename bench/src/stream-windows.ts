import { basename } from 'node:path';
import { decodeProfileHeaders, TOPICS } from '@perfleet/messages';
import { decodeProfiles, mappingBinary, type ProfilesData } from '@perfleet/otlp';
import type { openEmbeddedStream, StreamMessage } from '@perfleet/stream';
import { createSymbolizer } from '@perfleet/symbols';
import { isMain } from './loads.ts';

/** A window of the sampler as it arrived on the stream. */
export interface WindowSamples {
  /** Unix seconds. */
  readonly start: number;
  readonly end: number;
  /** When its first message and its last one were sent, Unix milliseconds. */
  readonly sent: number;
  readonly complete: number;
  readonly samples: number;
  /** Bodies of its messages. */
  readonly bytes: number;
  /** Of the programs asked for: samples, and those whose stack has `main`. */
  readonly ofPrograms: number;
  readonly reachMain: number;
}

export type EmbeddedStream = Awaited<ReturnType<typeof openEmbeddedStream>>;

/** Resolves when there is a message. @throws when none came within a minute */
export async function untilMessages(stream: EmbeddedStream, errors: () => string): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    const offsets = await stream.offsets(TOPICS.profiles);
    if (offsets.some(({ low, high }) => high > low)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no message came within 60 s: ${errors().trim()}`);
}

/** Everything that the topic of profiles has, in the order of sending. */
async function readAll(stream: EmbeddedStream): Promise<StreamMessage[]> {
  const ends = await stream.offsets(TOPICS.profiles);
  let left = ends.reduce((sum, { low, high }) => sum + Number(high - low), 0);
  const messages: StreamMessage[] = [];
  let done: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (done = resolve));
  const consumer = stream.consumer({
    group: 'bench',
    topics: [TOPICS.profiles],
    open: () => ({
      async onBatch(batch) {
        messages.push(...batch.messages);
        left -= batch.messages.length;
        if (left <= 0) done();
      },
    }),
  });
  await consumer.start();
  if (left > 0) await all;
  await consumer.stop();
  return messages.sort((a, b) => Number(a.headers['seq']) - Number(b.headers['seq']));
}

/** @param programs names of executables whose samples are looked at one by one */
export async function readWindows(stream: EmbeddedStream, programs: readonly string[]): Promise<WindowSamples[]> {
  const messages = await readAll(stream);
  const symbolizer = createSymbolizer();
  const names = new Map<string, Promise<boolean>>();
  const windows = new Map<number, WindowSamples>();
  for (const message of messages) {
    const headers = decodeProfileHeaders(message.headers);
    if (!headers.ok || message.value === null) continue;
    const data = decodeProfiles(message.value);
    const beginsAt = (path: string, binaryId: string, address: bigint) => {
      const key = `${binaryId} ${address}`;
      let known = names.get(key);
      if (!known) {
        known = symbolizer
          .resolve({ binaryId, path, pids: [] }, [address])
          .then(([found]) => found!.chain.some(([name]) => isMain(name)));
        names.set(key, known);
      }
      return known;
    };
    const part = await countMessage(data, new Set(programs), beginsAt);
    const { sent } = headers.value;
    const known = windows.get(part.start) ?? { ...part, sent, bytes: 0, samples: 0, ofPrograms: 0, reachMain: 0 };
    // A window with many stacks is several messages.
    windows.set(part.start, {
      ...known,
      complete: sent,
      samples: known.samples + part.samples,
      bytes: known.bytes + message.value.byteLength,
      ofPrograms: known.ofPrograms + part.ofPrograms,
      reachMain: known.reachMain + part.reachMain,
    });
  }
  symbolizer.close();
  return [...windows.values()].filter(({ start }) => start > 0).sort((a, b) => a.start - b.start);
}

async function countMessage(
  { dictionary, resources }: ProfilesData,
  programs: ReadonlySet<string>,
  beginsAt: (path: string, binaryId: string, address: bigint) => Promise<boolean>,
) {
  let [start, end, samples, ofPrograms, reachMain] = [0, 0, 0, 0, 0];
  for (const { attributes, profiles } of resources) {
    const wanted = attributes.some(([key, v]) => key === 'process.executable.name' && programs.has(String(v)));
    for (const profile of profiles) {
      start = Number(profile.timeUnixNano / 1_000_000n) / 1000;
      end = start + Number(profile.durationNano / 1_000_000n) / 1000;
      const { values, stack } = profile.samples;
      for (let i = 0; i < profile.samples.length; i++) {
        const count = values.values.subarray(values.offsets[i], values.offsets[i + 1]).reduce((a, b) => a + b, 0);
        samples += count;
        if (!wanted) continue;
        ofPrograms += count;
        const { offsets, values: locations } = dictionary.stacks;
        // `main` is near the root, and the wire has the leaf first.
        for (let at = offsets[stack[i]! + 1]! - 1; at >= offsets[stack[i]!]!; at--) {
          const mapping = dictionary.locations.mapping[locations[at]!]!;
          const { filename, gnuBuildId } = mappingBinary(dictionary, mapping);
          if (!programs.has(basename(filename))) continue;
          const binaryId = gnuBuildId ? `gnu:${gnuBuildId}` : `path:${filename}`;
          if (await beginsAt(filename, binaryId, dictionary.locations.address[locations[at]!]!)) {
            reachMain += count;
            break;
          }
        }
      }
    }
  }
  return { start, end, samples, ofPrograms, reachMain };
}
