import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '@perfleet/clickhouse';
import type { Logger, Shutdown } from '@perfleet/observability';
import type { Settings } from './settings.ts';

/** To answer one statement, for a process that has a store open. */
const ANSWER_MS = 10_000;

const socketOf = ({ dataDir }: Settings) => join(dataDir, 'clickhouse.sock');

/**
 * Lets other commands of this user use the engine in this process, by a socket in its data directory: one process at a time may open that.
 * Without it everything else goes on.
 */
export async function shareStore(store: Store, settings: Settings, logger: Logger, shutdown: Shutdown): Promise<void> {
  if (store.kind !== 'embedded') return;
  const { serveClickhouse, storeEngine } = await import('@perfleet/clickhouse');
  const socket = socketOf(settings);
  try {
    const server = await serveClickhouse({ engine: storeEngine(store), scope: 'admin', socket });
    shutdown.add('store for other commands', () => server.close(true));
  } catch (error) {
    logger.warn({ socket, error: String(error) }, 'other commands cannot use the store while this one runs');
  }
}

/** The store of the process that has the data directory open; null when there is none that answers. */
export async function openSharedStore(settings: Settings): Promise<Store | null> {
  const socket = socketOf(settings);
  if (settings.clickhouseUrl || !existsSync(socket)) return null;
  const { ServerStore } = await import('@perfleet/clickhouse');
  const store = new ServerStore({ url: 'http://localhost', socket });
  try {
    await store.query('SELECT 1', {}, { abortSignal: AbortSignal.timeout(ANSWER_MS) });
    return store;
  } catch {
    await store.close();
    return null;
  }
}
