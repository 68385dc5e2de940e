import { readFileSync } from 'node:fs';

/**
 * The account of collectors that docs/security.md tells operators to make: `collector`, and what it may do, as arguments of
 * `ACL SETUSER` or of redis-server's `--user`.
 */
export function collectorAccount(password: string): string[] {
  const text = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
  const [, rules] = /^ {4}ACL SETUSER (collector .*)$/m.exec(text) ?? [];
  if (!rules) throw new Error('docs/security.md does not name the account of collectors');
  return rules.replace('>PASSWORD', `>${password}`).split(' ');
}
