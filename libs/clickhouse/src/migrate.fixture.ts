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
