import { join, resolve } from 'node:path';
import type { NodeStateStore } from '@perfleet/node-state';
import { createSymbolizerService, UploadedBinaries } from '@perfleet/symbolizer';
import { createDebuginfod, createSymbolizer, LocalBinaries } from '@perfleet/symbols';
import { serviceLogger } from '../service-logger.ts';
import { receivingEnd } from '../uploads/receiving-end.ts';
import type { Ports } from './ports.ts';

/** @param nodeState tokens and leases of uploads, when `PERFLEET_UPLOAD_PORT` opens the port for them */
export function makeSymbolizer({ settings, stream }: Ports, nodeState: NodeStateStore) {
  const logger = serviceLogger(settings, 'symbolizer');
  const onWarning = (message: string) => logger.warn(message);
  const cacheDir = join(settings.dataDir, 'debuginfod');
  const binariesDir = settings.binariesDir && resolve(settings.binariesDir);
  const local = new LocalBinaries(binariesDir || undefined, settings.localFiles === 'yes');
  const uploads = receivingEnd(settings, nodeState, logger);
  const source = uploads ? new UploadedBinaries({ ...uploads, local, binariesDir }) : local;
  const memoryBytes = settings.symbolsMemoryMb * 2 ** 20;
  const symbols = createSymbolizer({
    source,
    cacheBytes: memoryBytes,
    tables: { dir: join(settings.dataDir, 'tables'), quotaBytes: settings.symbolTablesMb * 2 ** 20, memoryBytes },
    debuginfod: createDebuginfod({ urls: settings.debuginfodUrls, cacheDir, onWarning }),
    onWarning,
  });
  return createSymbolizerService({
    stream,
    topicPrefix: settings.topicPrefix,
    instance: settings.node,
    symbols,
    logger,
    ...(uploads ? { uploads } : {}),
  });
}
