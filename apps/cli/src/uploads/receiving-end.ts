import { join, resolve } from 'node:path';
import { createBinaryStore, openDirectoryStore, openS3Store, type BinaryStore } from '@perfleet/binary-store';
import { ConfigError } from '@perfleet/config';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { UploadsOptions } from '@perfleet/symbolizer';
import { serverTls } from '../server-tls.ts';
import type { Settings } from '../settings.ts';

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;

/** The store of binaries and what receives them; null when no port is configured. The store's end is the caller's. */
export function receivingEnd(
  settings: Settings,
  nodeState: NodeStateStore,
  logger: Logger,
): (UploadsOptions & { readonly binaries: BinaryStore }) | null {
  const { uploadHost: host, uploadPort: port, dataDir } = settings;
  if (port === null) return null;
  const tls = serverTls(settings, ['uploadTlsCertFile', 'uploadTlsKeyFile'], logger);
  let corrupt = 0;
  const onCorrupt = (key: string) => {
    corrupt++;
    logger.error({ key }, 'a stored binary was damaged and is removed; it can be uploaded again');
  };
  const binaries = createBinaryStore({
    objects: openObjects(settings, onCorrupt),
    quotaBytes: settings.binaryStoreQuotaMb * MIB,
    retentionMs: settings.binaryStoreDays * DAY_MS,
  });
  return {
    ...{ tokens: nodeState.tokens, leases: nodeState.uploads, binaries, corruptObjects: () => corrupt },
    ...{ workDir: join(dataDir, 'uploads'), host, port, ...(tls ? { tls } : {}) },
    limits: { fileBytes: settings.uploadMaxMb * MIB, bytesPerNodeAndDay: settings.uploadNodeMbPerDay * MIB },
  };
}

function openObjects(settings: Settings, onCorrupt: (key: string) => void) {
  const { binaryStore, dataDir, s3Endpoint: endpoint, s3Region: region } = settings;
  if (!binaryStore.startsWith('s3://'))
    return openDirectoryStore({ path: resolve(binaryStore || join(dataDir, 'binaries')), onCorrupt });
  const [, bucket, path] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)\/?(.*)$/.exec(binaryStore) ?? [];
  if (!bucket)
    throw new ConfigError(`bad configuration:\n  PERFLEET_BINARY_STORE=${binaryStore}: must be s3://bucket/prefix`);
  const prefix = path ? `${path.replace(/\/+$/, '')}/` : '';
  return openS3Store({ bucket, prefix, endpoint, region, cacheDir: join(dataDir, 'binaries-cache'), onCorrupt });
}
