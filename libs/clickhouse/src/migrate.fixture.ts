import type { Store } from './store.ts';

/** A store whose statements are run by another. */
export function withCommand(target: Store, command: (sql: string) => Promise<void>): Store {
  return new Proxy(target, {
    get(_, property) {
      if (property === 'command') return command;
      const member = Reflect.get(target, property, target) as unknown;
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/** Tables of those that a block of profiles goes to, by name and engine, whose parts are not merged by sixteens and without statistics. */
export async function otherwiseMerged(store: Store): Promise<string[]> {
  const rows = await store.query<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
       AND (name IN ('series', 'workloads', 'stacks', 'frames', 'delivery_log') OR match(name, '^(linked_)?samples'))
       AND NOT (engine_full LIKE '%merge_selector_base = 16%' AND engine_full LIKE '%auto_statistics_types = ''''%') ORDER BY name`,
  );
  return rows.map(({ name }) => name);
}
