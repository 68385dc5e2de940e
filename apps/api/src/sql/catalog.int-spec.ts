import { describe, expect, it } from 'vitest';
import { clickhouseSql, sql, useTestApi } from '../api.fixture.ts';
import { PUBLIC_VIEWS } from './guard.ts';

useTestApi();

const rows = async (query: string) => {
  const { body } = await sql(query);
  if (body.error) throw new Error(body.error.message);
  return body.rows;
};
const views = [...PUBLIC_VIEWS].sort();

describe('the catalogue that clients look into', () => {
  it.each([
    ['SHOW DATABASES', ['default']],
    ['SELECT name FROM system.databases', ['default']],
    ['SHOW TABLES', views],
    ['SHOW TABLES FROM "default"', views],
    ["SHOW TABLES FROM default LIKE 'node%'", ['node_events', 'nodes']],
    ["SHOW TABLES NOT LIKE '%e%'", ['functions', 'spans']],
    ['SHOW TABLES FROM system', []],
    ['SELECT name FROM system.tables ORDER BY name', views],
    ['SELECT t.name FROM system.tables AS t JOIN system.databases AS d ON t.database = d.name ORDER BY 1', views],
    ['SELECT tables.name FROM system.tables AS tables ORDER BY name', views],
    ['SELECT DISTINCT table FROM system.columns ORDER BY table', views],
    [
      "SELECT name FROM system.columns WHERE (database = 'default') AND table = 'nodes' ORDER BY position LIMIT 2",
      ['node', 'cluster'],
    ],
    [
      'WITH x AS (SELECT * FROM system.tables) SELECT name FROM x UNION DISTINCT SELECT name FROM system.tables ORDER BY name',
      views,
    ],
    ["SELECT value FROM system.settings WHERE name = 'readonly'", ['1']],
    ["SELECT toString(getSetting('readonly'))", ['1']],
    ["SELECT name FROM system.functions WHERE name IN ('sum', 'file', 'hostName')", ['sum']],
    ["SELECT alias_to FROM system.data_type_families WHERE name = 'INTEGER'", ['Int32']],
    ['SELECT max(time) > 0 FROM "default"."profiles"', [1]],
    ['SELECT displayName()', ['perfleet']],
    ['SELECT concat(currentDatabase(), hostName(), currentUser()) AS c', ['defaultperfleetdefault']],
    ['SELECT currentUser() AS user', ['default']],
    ["SELECT 'system.tables displayName() default.profiles'", ['system.tables displayName() default.profiles']],
  ])('%s', async (query, expected) => {
    const found = (await rows(query)).flat();
    expect(query.includes('ORDER') || query.startsWith('SHOW') ? found : [...found].sort()).toEqual(expected);
  });

  it('keeps the names of answers, which some clients read', async () => {
    const { body } = await sql('SELECT displayName(), version(), revision(), timezone()');
    expect(body.columns.map(({ name }) => name)).toEqual(['displayName()', 'version()', 'revision()', 'timezone()']);
  });

  it('describes a view as ClickHouse does', async () => {
    for (const query of ['DESCRIBE profiles', 'DESC TABLE "default"."profiles"']) {
      const { body } = await sql(query);
      expect(body.rows.slice(0, 2).map((row) => row.slice(0, 2))).toEqual([
        ['time', "DateTime('UTC')"],
        ['cluster', expect.any(String)],
      ]);
    }
  });

  it('tells no path, no statement and nothing of what is below the views', async () => {
    const told = JSON.stringify([
      await rows('SELECT * FROM system.tables'),
      await rows('SELECT * FROM system.columns'),
      await rows('SELECT * FROM system.databases'),
      await rows('SELECT * FROM system.settings'),
    ]);
    expect(told).not.toMatch(/CREATE|\/tmp|\/store|MergeTree|additional_table/);
    expect(told).toContain('unresolved_binaries');
  });

  it.each([
    'SELECT create_table FROM system.tables',
    'SELECT dependencies_table FROM system.tables',
    'SELECT * FROM system.perfleet_system_tables',
    'SELECT * FROM system.`tables `',
    'SELECT * FROM system.numbers',
    'SELECT * FROM system.processes',
    'SELECT * FROM system.query_log',
    'SELECT * FROM system.users',
    'SELECT * FROM information_schema.tables',
    'SELECT * FROM default.samples',
    'SELECT * FROM default.default.profiles.samples',
    'DESCRIBE samples',
    'DESCRIBE system.tables',
    'SHOW CREATE TABLE profiles',
    'SHOW CREATE VIEW system.tables',
    "SELECT 'x\\'system.tables' FROM samples",
    'SELECT * FROM system.tables WHERE name = displayName() OR currentUser() IN system.users',
    'WITH perfleet_system_tables AS (SELECT 1 AS name) SELECT * FROM samples',
  ])('refuses %s', async (query) => {
    expect((await sql(query)).status).toBe(400);
    expect((await clickhouseSql(query)).status).toBeGreaterThanOrEqual(400);
  });
});
