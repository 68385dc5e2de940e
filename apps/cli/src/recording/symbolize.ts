import { basename } from 'node:path';
import type { Recording } from './recording.ts';

/** One name of an address; an address has several when functions were inlined into it. */
export interface NamedLine {
  readonly functionName: string;
  readonly file: string;
  readonly line: number;
}

/** What `libs/symbols` answers for one address. */
export interface Resolution {
  readonly chain: ReadonlyArray<readonly [string, string, number]>;
}

export interface Resolver {
  resolve(
    binary: { binaryId: string; path: string; pids: number[] },
    addresses: bigint[],
  ): Promise<readonly Resolution[]>;
}

/** Lines per frame of the recording, innermost (inlined) first; never empty: an unknown address is `module+0xaddr`. */
export async function nameFrames(recording: Recording, resolver: Resolver): Promise<NamedLine[][]> {
  const names: NamedLine[][] = recording.frames.map((frame) => [
    {
      functionName: frame.functionName || frame.file || '[unknown]',
      file: frame.functionName ? frame.file : '',
      line: 0,
    },
  ]);
  const byBinary = new Map<string, number[]>();
  recording.frames.forEach((frame, i) => {
    if (!frame.binary) return;
    const rows = byBinary.get(frame.binary.id);
    if (rows) rows.push(i);
    else byBinary.set(frame.binary.id, [i]);
  });
  for (const [id, rows] of byBinary) {
    const binary = recording.binaries.get(id)!;
    const resolved = await resolver.resolve(
      { binaryId: id, path: binary.path, pids: binary.pids },
      rows.map((row) => recording.frames[row]!.address),
    );
    rows.forEach((row, i) => {
      const chain = resolved[i]?.chain ?? [];
      names[row] =
        chain.length > 0
          ? chain.map(([functionName, file, line]) => ({ functionName, file, line }))
          : [
              {
                functionName: `${basename(binary.path) || '[unknown]'}+0x${recording.frames[row]!.address.toString(16)}`,
                file: '',
                line: 0,
              },
            ];
    });
  }
  return names;
}
