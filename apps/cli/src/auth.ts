import { ConfigError } from '@perfleet/config';
import type { Settings } from './settings.ts';

/** Of a service that listens at `hosts`: each by the name of its variable. */
type Hosts = Readonly<Record<`PERFLEET_${string}`, string>>;

/**
 * Whether callers are asked for tokens. Other machines get in without only where somebody said so.
 * @throws ConfigError that names the fix
 */
export function authOf({ auth }: Pick<Settings, 'auth'>, hosts: Hosts): 'tokens' | 'none' {
  if (auth !== '') return auth;
  const open = openHosts(hosts);
  if (open.length === 0) return 'none';
  throw new ConfigError(
    `${open.map(([name, host]) => `${name}=${host}`).join(' and ')} would let other machines in without asking who they are: ` +
      'set PERFLEET_AUTH=tokens (`perfleet token create` makes them), or PERFLEET_AUTH=none where something else keeps strangers out',
  );
}

/** Those that other machines reach. */
export function openHosts(hosts: Hosts): Array<[name: string, host: string]> {
  return Object.entries(hosts).filter(([, host]) => !isLoopback(host));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
