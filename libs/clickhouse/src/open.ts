import { EmbeddedStore } from './embedded.ts';
import { migrate } from './migrate.ts';
import { ServerStore, type ServerOptions } from './server.ts';
import type { Store } from './store.ts';

export type StoreOptions =
  { readonly kind: 'embedded'; readonly path: string } | ({ readonly kind: 'server' } & ServerOptions);

/** Opens the store and brings its schema up to date. @throws ClickHouseError that names the cause and the fix */
export async function openStore(options: StoreOptions): Promise<Store> {
  const store = options.kind === 'embedded' ? new EmbeddedStore(options.path) : new ServerStore(options);
  try {
    await migrate(store);
    return store;
  } catch (cause) {
    await store.close();
    throw cause;
  }
}
