import { readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { identify } from '@perfleet/native-symbols';
import { createSymbolizer } from '@perfleet/symbols';
import { measure } from './measure.ts';
import type { Result } from './report.ts';
import { textAddresses } from './symbolize-program.ts';

/** Where programs and libraries are, those that a fleet runs most first. */
const PLACES = ['/usr/bin', '/usr/sbin', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'];

interface Wanted {
  readonly wanted: number;
  readonly addresses: number;
  /** For lookup tables; empty. */
  readonly directory: string;
  readonly progress: (what: string) => void;
}

/** The whole way of a symbolizer that starts with nothing: it looks at each binary, converts it, answers, and keeps the table. */
export async function manyBinaries({ wanted, addresses, directory, progress }: Wanted): Promise<Result> {
  progress(`looking for ${wanted} binaries`);
  const binaries = await binariesOf(wanted);
  if (binaries.length < wanted) throw new Error(`this machine has only ${binaries.length} binaries with a build id`);
  const each = Math.ceil(addresses / binaries.length);
  const queries = binaries.map(({ path, id }) => ({
    binary: { binaryId: `gnu:${id}`, path, pids: [] },
    addresses: [...textAddresses(path, each)],
  }));
  progress(`${each} addresses of each`);
  const forms: Array<readonly [string, Awaited<ReturnType<typeof run>>]> = [];
  for (const form of ['cold', 'restarted']) forms.push([form, await run(queries, directory)]);
  const megabytes = binaries.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  return {
    parameters: { addresses: each * binaries.length, binaries: binaries.length, 'binaries, MB': megabytes.toFixed(0) },
    ratios: [],
    tables: [
      {
        title: 'Addresses of many binaries',
        columns: ['form', 'CPU s', 'wall s', 'CPU ms a binary', 'resolved %'],
        rows: forms.map(([form, { cpu, seconds, resolved }]) => [
          form,
          cpu,
          seconds,
          (cpu * 1000) / binaries.length,
          (resolved / (each * binaries.length)) * 100,
        ]),
      },
    ],
    notes: ['CPU is that of this process and of the children that convert. Restarted finds the tables on disk.'],
  };
}

type Queries = ReadonlyArray<{
  readonly binary: { readonly binaryId: string; readonly path: string; readonly pids: readonly number[] };
  readonly addresses: readonly bigint[];
}>;

async function run(queries: Queries, dir: string) {
  const symbolizer = createSymbolizer({ tables: { dir } });
  const { cpu, seconds, value } = await measure(() =>
    Promise.all(queries.map(({ binary, addresses }) => symbolizer.resolve(binary, addresses))),
  );
  symbolizer.close();
  return { cpu, seconds, resolved: value.flat().filter(({ quality }) => quality > 0).length };
}

/** Different binaries with a build id and code, in the order of their names. */
async function binariesOf(wanted: number) {
  const found = new Map<string, { readonly path: string; readonly id: string; readonly bytes: number }>();
  for (const place of PLACES) {
    for (const name of readdirSync(place, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (found.size === wanted) return [...found.values()];
      if (name.isDirectory()) continue;
      try {
        const path = realpathSync(join(place, name.name));
        const { gnuBuildId: id } = await identify(path);
        textAddresses(path, 1);
        if (id && !found.has(id)) found.set(id, { path, id, bytes: statSync(path).size });
      } catch {
        // No binary.
      }
    }
  }
  return [...found.values()];
}
