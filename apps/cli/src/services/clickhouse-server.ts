import { ConfigError } from '@perfleet/config';
import { CLICKHOUSE_PORT } from '../commands/options.ts';
import type { Settings } from '../settings.ts';

/** One process holds the embedded engine's data path; a service beside it must speak HTTP. */
export function requireServer(settings: Settings): void {
  if (settings.clickhouseUrl) return;
  throw new ConfigError(
    `PERFLEET_CLICKHOUSE_URL is not set: as a service of its own this needs a ClickHouse server; start one with \`perfleet clickhouse\` and pass --clickhouse-url http://127.0.0.1:${CLICKHOUSE_PORT}, or use \`perfleet up\``,
  );
}
