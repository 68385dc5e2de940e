import { describe, expect, it } from 'vitest';
import { splitSteps, type Migration } from '../migrate.ts';
import { ClickHouseError, type Store } from '../store.ts';
import { migrateCluster } from './migrate-cluster.ts';

const migration = (version: number, sql: string): Migration => ({
  version,
  name: `${version}_m`,
  steps: splitSteps(sql),
});
const FIRST = migration(1, 'CREATE TABLE samples (a UInt8) ENGINE = MergeTree ORDER BY a');
const SECOND = migration(
  2,
  'INSERT INTO samples_next SELECT * FROM samples; INSERT INTO series_next SELECT * FROM series; TRUNCATE TABLE samples_1d',
);

/** A server that has had some versions. Only what it is asked is real. */
function server(name: string, shard: string, versions: number[], { macros = ['shard', 'replica'], down = false } = {}) {
  const done = new Set(versions);
  const ran: string[] = [];
  const store: Partial<Store> = {
    kind: 'embedded',
    async query<T>(sql: string) {
      if (down) throw new ClickHouseError(`cannot reach ${name}`, 0, { cause: new Error('ECONNREFUSED') });
      if (sql.includes('system.macros')) return macros.map((macro) => ({ macro })) as T[];
      if (sql.includes('system.clusters')) return [{}] as T[];
      return [...done].map((version) => ({ version })) as T[];
    },
    async command(sql: string) {
      if (down) throw new ClickHouseError(`cannot reach ${name}`, 0, { cause: new Error('ECONNREFUSED') });
      const version = /^INSERT INTO schema_migrations .*VALUES \((\d+)/.exec(sql)?.[1];
      if (version) done.add(Number(version));
      else if (!sql.includes('schema_migrations')) ran.push(sql);
    },
  };
  return { shard, store: store as Store, ran, done };
}
const moved = ({ ran }: { ran: string[] }) =>
  ran.flatMap((sql) => /^(?:INSERT INTO|TRUNCATE TABLE) (\w+)/.exec(sql)?.[1] ?? []);

describe('servers of a cluster', () => {
  it('move rows once for those that hold the same: sharded ones in each shard, the others in one', async () => {
    const [a, b, c] = [server('a', '1', [1]), server('b', '1', [1]), server('c', '2', [1])];
    expect(await migrateCluster([a, b, c], 'x', [FIRST, SECOND])).toEqual([2]);
    expect([moved(a), moved(b), moved(c)]).toEqual([
      ['samples_next', 'series_next', 'samples_1d_local'],
      [],
      ['samples_next', 'samples_1d_local'],
    ]);
    // What others wrote must be there before it is copied.
    expect(a.ran.slice(0, 2)).toEqual([
      'SYSTEM SYNC REPLICA samples_local',
      'INSERT INTO samples_next SELECT * FROM samples_local',
    ]);
    expect(await migrateCluster([a, b, c], 'x', [FIRST, SECOND])).toEqual([]);
  });

  it('that joined later get the schema, and never touch the rows of the others', async () => {
    const [replaced, old, added] = [server('a', '1', []), server('b', '1', [1, 2]), server('c', '2', [])];
    expect(await migrateCluster([replaced, old, added], 'x', [FIRST, SECOND])).toEqual([1, 2]);
    expect([moved(replaced), moved(old)]).toEqual([[], []]);
    // Rows of its shard are nobody's but its own: there are none yet.
    expect(moved(added)).toEqual(['samples_next', 'samples_1d_local']);
    expect([...added.done]).toEqual([1, 2]);
  });

  it('that are away are waited for only by what has to be done', async () => {
    const [a, away] = [server('a', '1', [1]), server('b', '1', [], { down: true })];
    expect(await migrateCluster([a, away], 'x', [FIRST])).toEqual([]);
    await expect(migrateCluster([a, away], 'x', [FIRST, SECOND])).rejects.toThrow('cannot reach b');
    expect(a.ran).toEqual([]);
  });

  it('say what their configuration lacks', async () => {
    const bare = server('a', '1', [], { macros: ['shard'] });
    await expect(migrateCluster([bare], 'x', [FIRST])).rejects.toThrow(/has no macro \{replica\}: set <macros>/);
  });
});
