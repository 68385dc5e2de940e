import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { FlameGraph } from '@perfleet/profile';
import type { AskOptions, Db } from '../queries/db.ts';
import { MAX_NODES, type ProfileQueries, type Selection } from '../queries/profile-queries.ts';

/** What Pyroscope's protocol needs of the profiles: narrow, so that how they are computed can change. */
export interface ProfileSource {
  readonly db: Db;
  /** Every sample of the selection is in it. */
  flameGraph(of: Selection, options: AskOptions): Promise<{ unit: string; graph: FlameGraph }>;
  /** Uncompressed `profile.proto`. */
  pprof(of: Selection, options: AskOptions): Promise<Uint8Array>;
}

const decompress = promisify(gunzip);

export function profileSource(queries: ProfileQueries): ProfileSource {
  return {
    db: queries.db,
    flameGraph: (of, options) => queries.flameGraph(of, MAX_NODES, options),
    async pprof(of, options) {
      const { body } = await queries.export(of, 'pprof', options);
      return decompress(body);
    },
  };
}
