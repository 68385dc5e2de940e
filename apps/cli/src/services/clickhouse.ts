import { serveClickhouse, storeEngine } from '@perfleet/clickhouse';
import type { Shutdown } from '@perfleet/observability';
import type { TokenVerifier } from '@perfleet/tokens';
import { openProfileStore, openReachableNodeState } from '../adapters.ts';
import { authOf } from '../auth.ts';
import { tokenVerifier } from '../oidc.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';
import { shareStore } from '../shared-store.ts';

/** Serves the embedded engine over ClickHouse's HTTP protocol. @returns the line that says that it is ready */
export async function runClickhouse(settings: Settings, shutdown: Shutdown): Promise<string> {
  const auth = authOf(settings, { PERFLEET_HTTP_HOST: settings.httpHost });
  const store = await openProfileStore({ ...settings, clickhouseUrl: '' });
  shutdown.add('store', () => store.close());
  await shareStore(store, settings, serviceLogger(settings, 'clickhouse'), shutdown);
  const server = await serveClickhouse({
    engine: storeEngine(store),
    scope: 'admin',
    host: settings.httpHost,
    port: settings.httpPort,
    allowedHosts: settings.allowedHosts,
    ...(auth === 'tokens' ? { verifier: await openVerifier(settings, shutdown) } : {}),
  });
  shutdown.add('http', () => server.close());
  return `clickhouse is running: ${server.url}`;
}

async function openVerifier(settings: Settings, shutdown: Shutdown): Promise<TokenVerifier> {
  const nodeState = await openReachableNodeState(settings);
  shutdown.add('tokens', async () => nodeState.close());
  return tokenVerifier(settings, nodeState.tokens);
}
