import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmbeddedStore, migrate, type Store } from '@perfleet/clickhouse';
import type { LabelLimits } from '@perfleet/tokens';
import { afterAll, describe, expect, it } from 'vitest';
import { PUBLIC_VIEWS } from './guard.ts';
import { insertKnownWeek } from './known-week.fixture.ts';
import { SETTING_LIMITS, sqlUserStatements } from './server-users.ts';
import { SqlService } from './sql-service.ts';

const directory = mkdtempSync(join(tmpdir(), 'perfleet-server-users-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const statements = (labels: LabelLimits = {}) =>
  sqlUserStatements({
    database: 'default',
    definer: 'perfleet',
    user: 'reader',
    passwordSha256: 'ab'.repeat(32),
    labels,
  });

const ALL = '<query>GRANT ALL ON *.* WITH GRANT OPTION</query>';
const escape = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/**
 * The engine in this process has users in a file only, and always the one called default: it gets here what the statements give to the
 * user, and a second one is the definer of the views.
 */
function open({ grants = ALL, profile = '', policies = '' } = {}): Promise<EmbeddedStore> | EmbeddedStore {
  const user = (own: string) => `<password></password><networks><ip>::/0</ip></networks><quota>default</quota>${own}`;
  const users = join(directory, 'users.xml');
  writeFileSync(
    users,
    `<clickhouse><profiles><default>${profile}</default><all/></profiles><quotas><default/></quotas><users>
      <default>${user(`<profile>default</profile><grants>${grants}</grants><databases><default>${policies}</default></databases>`)}</default>
      <perfleet>${user(`<profile>all</profile><grants>${ALL}</grants>`)}</perfleet>
    </users></clickhouse>`,
  );
  const config = join(directory, 'config.xml');
  writeFileSync(config, `<clickhouse><users_config>${users}</users_config></clickhouse>`);
  return new EmbeddedStore(join(directory, 'data'), { configFile: config });
}

/** What the statements say, in the file's words. */
function asFile(all: readonly string[]) {
  const pick = (pattern: RegExp) => all.flatMap((sql) => pattern.exec(sql)?.slice(1) ?? []);
  const settings = pick(/^ALTER SETTINGS PROFILE \w+ SETTINGS (.*) TO /)[0]!.split(', ');
  const parsed = settings.map((text) => /^(\w+) = (\S+?)(?: MIN (\d+) MAX (\d+)| CONST)$/.exec(text)!);
  const values = parsed.map(([, name, value]) => `<${name}>${value!.replaceAll("'", '')}</${name}>`);
  const constraints = parsed.map(
    ([, name, , min, max]) => `<${name}>${max ? `<min>${min}</min><max>${max}</max>` : '<const/>'}</${name}>`,
  );
  const limited = !all.some((sql) => sql === 'GRANT perfleet_reader TO `reader`');
  const policies = all.flatMap((sql) => {
    const [, view, filter] =
      /^ALTER ROW POLICY \S+ ON `default`\.(\w+) FOR SELECT USING (.*) TO `reader`$/.exec(sql) ?? [];
    return view ? [`<${view}><filter>${escape(filter!)}</filter></${view}>`] : [];
  });
  return {
    grants: pick(limited ? /^(GRANT SELECT ON .*) TO `reader`$/ : /^(GRANT SELECT ON .*) TO perfleet_reader$/)
      .map((grant) => `<query>${grant}</query>`)
      .join(''),
    profile: `${values.join('')}<constraints>${constraints.join('')}</constraints>`,
    policies: policies.join(''),
  };
}

const denied = (store: Store, sql: string) => expect(store.query(sql), sql).rejects.toMatchObject({ code: 497 });

describe('a user of SQL of a ClickHouse server', () => {
  it('is made by statements that the engine takes', async () => {
    const store = await open();
    try {
      await migrate(store);
      await insertKnownWeek(store, Math.floor(Date.now() / 60_000) * 60 - 1800);
      for (const sql of [...statements(), ...statements({ namespace: ["jobs'", 'shop'] })]) {
        await store.command(`EXPLAIN AST ${sql}`);
        // Everything but where to keep it is there: the engine in this process has no place for users.
        if (/^CREATE/.test(sql)) await expect(store.command(sql), sql).rejects.toThrow(/Code: 51[14]\./);
        if (/^ALTER TABLE/.test(sql)) await store.command(sql);
      }
      expect(() => statements({ version: ['v1'] })).toThrow(/label version: a user of the server can be limited by/);
    } finally {
      await store.close();
    }
  });

  it('reads the public views and nothing else, and raises no limit', async () => {
    const store = await open(asFile(statements()));
    try {
      for (const view of PUBLIC_VIEWS) await store.query(`SELECT * FROM ${view} LIMIT 1`);
      expect(await store.query('SELECT DISTINCT namespace FROM profiles ORDER BY namespace')).toEqual(
        ['', 'jobs', 'shop'].map((namespace) => ({ namespace })),
      );
      const tables = await store.query<{ name: string }>("SELECT name FROM system.tables WHERE database = 'default'");
      expect(tables.map(({ name }) => name).sort()).toEqual([...PUBLIC_VIEWS].sort());
      for (const sql of [
        ...['samples', 'linked_samples', 'series', 'delivery_log', 'stack_names', 'schema_migrations'].map(
          (t) => `SELECT * FROM ${t}`,
        ),
        "SELECT * FROM file('/etc/hostname', LineAsString)",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
        "SELECT * FROM remote('127.0.0.1:1', 'default', 'samples')",
        'INSERT INTO samples (value) VALUES (1)',
        'CREATE TEMPORARY TABLE x (a UInt8) ENGINE = Memory',
        'CREATE VIEW x AS SELECT 1',
        'ALTER TABLE profiles MODIFY SQL SECURITY NONE',
        'DROP TABLE profiles',
        'TRUNCATE TABLE samples',
        'GRANT SELECT ON *.* TO default',
        'SYSTEM STOP MERGES samples',
      ])
        await denied(store, sql);
      for (const [name, most] of Object.entries(SETTING_LIMITS))
        for (const value of [0, most + 1])
          await expect(store.query(`SELECT 1 FROM profiles SETTINGS ${name} = ${value}`), name).rejects.toMatchObject({
            code: 452,
          });
      await expect(store.query("SELECT 1 SETTINGS result_overflow_mode = 'break'")).rejects.toMatchObject({
        code: 452,
      });
      // The API's own sandbox on top of it.
      const { rows } = await new SqlService(store).run(
        { query: 'SELECT DISTINCT namespace FROM profiles' },
        { name: 'x', labels: { namespace: ['jobs'] } },
      );
      expect(rows).toEqual([['jobs']]);
    } finally {
      await store.close();
    }
  });

  it('with labels sees samples that have them, and no other view', async () => {
    const store = await open(asFile(statements({ namespace: ['jobs'] })));
    try {
      for (const view of ['profiles', 'functions', 'spans'])
        expect(await store.query(`SELECT DISTINCT namespace FROM ${view}`)).toEqual([{ namespace: 'jobs' }]);
      expect(await store.query('SELECT namespace FROM unresolved_binaries')).toEqual([]);
      for (const view of ['nodes', 'deliveries', 'coverage', 'alert_history'])
        await denied(store, `SELECT * FROM ${view}`);
    } finally {
      await store.close();
    }
  });
});
