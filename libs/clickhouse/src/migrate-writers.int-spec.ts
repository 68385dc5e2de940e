import { tempDir } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedStore } from './embedded.ts';
import { withCommand } from './migrate.fixture.ts';
import { migrate, MIGRATIONS } from './migrate.ts';
import type { Store } from './store.ts';

const TIME = Math.floor(Date.now() / 1000) - 3600;

describe('aggregators of the version before, while samples are moved', () => {
  const dir = tempDir();
  let store: Store;
  beforeEach(async () => {
    store = new EmbeddedStore(dir.path);
    await migrate(
      store,
      MIGRATIONS.filter(({ version }) => version <= 13),
    );
  });
  afterEach(async () => {
    await store?.close();
    dir.remove();
  });

  const write = (value: number) =>
    store.command(`INSERT INTO samples (time, series, stack, value) VALUES (${TIME}, 1, 1, ${value})`);
  /** Does something behind each statement that begins so. */
  const behind = (start: string, act: () => Promise<void>) =>
    withCommand(store, async (sql) => {
      await store.command(sql);
      if (sql.startsWith(start)) await act();
    });
  const sums = async () => {
    const [row] = await store.query<{ raw: string; rolled: string }>(
      'SELECT (SELECT sum(value) FROM samples) AS raw, (SELECT sum(value) FROM samples_10m) AS rolled',
    );
    return row;
  };

  it.each(['INSERT INTO samples_next', 'EXCHANGE', 'CREATE MATERIALIZED VIEW IF NOT EXISTS samples_10m'])(
    'are refused as by a store that is away, and go on behind it (%s)',
    async (moment) => {
      await write(1);
      let attempts = 0;
      const refused = async () => {
        attempts++;
        await expect(write(2)).rejects.toMatchObject({ code: 252 });
      };
      await migrate(behind(moment, refused));
      expect(attempts).toBe(1);
      await write(4);
      expect(await sums()).toEqual({ raw: '5', rolled: '5' });
    },
  );

  it('are noticed where they slip in, and nothing of theirs is lost', async () => {
    await write(1);
    const slipIn = async () => {
      await store.command('ALTER TABLE samples RESET SETTING max_parts_in_total');
      await write(2);
    };
    await expect(migrate(behind('INSERT INTO samples_next', slipIn))).rejects.toThrow(
      /samples were written while they were moved/,
    );
    await migrate(store);
    expect((await sums())?.raw).toBe('3');
  });
});
