import { randomUUID } from 'node:crypto';
import { ClickHouseError, type Store } from './store.ts';

/** Codes of ClickHouse. */
const TABLE_EXISTS = 57;
const UNKNOWN_TABLE = 60;

/** Milliseconds. */
export interface LockTimes {
  /** The holder says that often that it is alive. */
  readonly renew: number;
  /** A lock that nobody renewed for so long is of a process that was killed. */
  readonly stale: number;
  /** Between looks at a lock of another. */
  readonly poll: number;
}

const TIMES: LockTimes = { renew: 5_000, stale: 60_000, poll: 1_000 };

/**
 * Runs `work` in one process at a time, by a table that only one can create; others wait, however long it takes. An engine in this
 * process has no other: what a killed process left there is no lock.
 */
export async function underSchemaLock<T>(store: Store, work: () => Promise<T>, times = TIMES): Promise<T> {
  if (store.kind === 'embedded') return work();
  const stale = await take(store, times);
  const renewal = setInterval(() => {
    // Should it fail, the next one may not.
    store.command('INSERT INTO schema_lock SELECT toUnixTimestamp(now())').catch(() => undefined);
  }, times.renew);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await store.command('DROP TABLE IF EXISTS schema_lock SYNC');
    for (const name of stale) await store.command(`DROP TABLE IF EXISTS ${name} SYNC`);
  }
}

/** @returns names of locks of others that were put aside */
async function take(store: Store, { stale, poll }: LockTimes): Promise<string[]> {
  const aside: string[] = [];
  while (!(await create(store))) {
    const held = await current(store);
    if (held && held.ageMs > stale) {
      // Two that find the same lock stale want the same name for it: the second one fails, whatever lock there is by then.
      const name = `schema_lock_of_${held.id}`;
      if (await succeeds(store.command(`RENAME TABLE schema_lock TO ${name}`))) aside.push(name);
    } else await pause(poll);
  }
  return aside;
}

async function create(store: Store): Promise<boolean> {
  const [clock] = await store.query<{ now: string }>('SELECT toString(toUnixTimestamp(now())) AS now');
  const id = `${randomUUID().replaceAll('-', '')}_${clock!.now}`;
  return succeeds(store.command(`CREATE TABLE schema_lock (alive UInt32) ENGINE = Memory COMMENT '${id}'`));
}

/** False when somebody else was first. */
async function succeeds(command: Promise<void>): Promise<boolean> {
  try {
    await command;
    return true;
  } catch (cause) {
    if (cause instanceof ClickHouseError && [TABLE_EXISTS, UNKNOWN_TABLE].includes(cause.code)) return false;
    throw cause;
  }
}

/** The lock there is, and how long ago it was made or renewed by the server's clock, to the second. Its name ends with when. */
async function current(store: Store): Promise<{ id: string; ageMs: number } | undefined> {
  const [made] = await store.query<{ id: string }>(
    "SELECT comment AS id FROM system.tables WHERE database = currentDatabase() AND name = 'schema_lock'",
  );
  if (!made) return undefined;
  const since = Number(made.id.split('_')[1] ?? 0);
  try {
    const [clock] = await store.query<{ age: string }>(
      'SELECT toInt64(toUnixTimestamp(now())) - greatest(max(alive), {since:UInt32}) AS age FROM schema_lock',
      { since },
    );
    return { id: made.id, ageMs: Number(clock!.age) * 1000 };
  } catch (cause) {
    if (cause instanceof ClickHouseError && cause.code === UNKNOWN_TABLE) return undefined;
    throw cause;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
