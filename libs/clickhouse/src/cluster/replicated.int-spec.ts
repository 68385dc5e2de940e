import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedStore } from '../embedded.ts';
import { applyMigration, MIGRATIONS } from '../migrate.ts';
import { clusterConfig, TWO } from './engine.fixture.ts';
import { clusterForm, SHARDED } from './form.ts';

const directory = mkdtempSync(join(tmpdir(), 'clickhouse-replicated-'));
let store: EmbeddedStore;

beforeAll(() => void (store = new EmbeddedStore(join(directory, 'data'), { configFile: clusterConfig(directory) })));
afterAll(async () => {
  // The engine waits for replicas that never started before it closes.
  const tables = await store.query<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%'",
  );
  for (const { name } of tables) await store.command(`DROP TABLE ${name} SYNC`);
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

/** An ALTER of a replicated table waits until the replica has done it, which one that nobody can fetch from never does. */
const WITHOUT_ALTER = MIGRATIONS.filter(
  ({ steps }) => !steps.some((step) => step.statements.some((sql) => sql.startsWith('ALTER'))),
);

describe('the schema of a cluster', () => {
  it('is made by the files of a single server, with replicated tables and distributed ones over those that are sharded', async () => {
    await store.command(
      `CREATE TABLE schema_migrations (version UInt32, name String, applied DateTime('UTC') DEFAULT now()) ENGINE = ReplacingMergeTree ORDER BY version`,
    );
    // As a server that joined later: rows come from the others.
    const moves = { sharded: false, everywhere: false };
    for (const migration of WITHOUT_ALTER)
      await applyMigration(store, migration, clusterForm({ cluster: TWO, migration: migration.name, moves }));
    const { rows } = await store.columns(
      `SELECT name, engine, extract(engine_full, '^\\\\w+\\\\((.*?)\\\\)') FROM system.tables
       WHERE database = currentDatabase() AND engine NOT IN ('View', 'MaterializedView') AND name != 'schema_migrations' ORDER BY name`,
    );
    const engines = Object.fromEntries(rows.map(([name, engine]) => [name, engine]));
    for (const table of SHARDED) expect(engines[table]).toBe('Distributed');
    for (const [table, engine] of Object.entries(engines))
      if (engine !== 'Distributed') expect([table, engine]).toEqual([table, expect.stringMatching(/^Replicated/)]);
    // Whatever holds values of samples is sharded.
    const ofSamples = await store.columns(
      "SELECT DISTINCT table FROM system.columns WHERE database = currentDatabase() AND name = 'value'",
    );
    const whole = ofSamples.rows.flat().filter((name) => /^Replicated/.test(String(engines[String(name)])));
    expect(whole.filter((name) => !String(name).endsWith('_local'))).toEqual([]);
    const path = (table: string) => String(rows.find(([name]) => name === table)?.[2]);
    expect(path('samples_local')).toMatch(/^'\/clickhouse\/tables\/\{shard\}\/.*', '\{replica\}'/);
    expect(path('stacks')).toMatch(/^'\/clickhouse\/tables\/all\/.*', '\{shard\}-\{replica\}'/);
    const replicas = await store.columns('SELECT count(), uniqExact(zookeeper_path) FROM system.replicas');
    expect(replicas.rows[0]![0]).toBe(replicas.rows[0]![1]);
    expect((await store.columns("SELECT name FROM system.tables WHERE name LIKE '%next%'")).rows).toEqual([]);
  });
});
