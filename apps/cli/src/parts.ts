import { createAggregator } from '@perfleet/aggregator';
import { createApi } from '@perfleet/api';
import type { Store } from '@perfleet/clickhouse';
import { createCollector } from '@perfleet/collector';
import type { NodeStateStore } from '@perfleet/node-state';
import { createLogger, type Logger } from '@perfleet/observability';
import type { Stream } from '@perfleet/stream';
import { createSymbolizerService, UploadedBinaries } from '@perfleet/symbolizer';
import { createDebuginfod, createSymbolizer, LocalBinaries } from '@perfleet/symbols';
import { join, resolve } from 'node:path';
import { samplerBinaryPath } from '@perfleet/sampler';
import { authOf } from './auth.ts';
import { doctorServices } from './doctor-services.ts';
import { webRoot } from './paths.ts';
import { makePodNames } from './pod-names.ts';
import type { Settings } from './settings.ts';
import { receivingEnd, sendingEnd } from './uploads.ts';

/** Composition of the services over whatever adapters the caller opened: the same for one machine and for many. */
export interface Ports {
  readonly settings: Settings;
  readonly stream: Stream;
}

export function serviceLogger(settings: Settings, name: string): Logger {
  return createLogger(name, { level: settings.logLevel, pretty: process.stderr.isTTY });
}

export function makeAggregator({ settings, stream }: Ports, store: Store) {
  return createAggregator({
    stream,
    store,
    topicPrefix: settings.topicPrefix,
    cluster: settings.cluster,
    logger: serviceLogger(settings, 'aggregator'),
  });
}

/** @param nodeState tokens and leases of uploads, when `PERFLEET_UPLOAD_PORT` opens the port for them */
export function makeSymbolizer({ settings, stream }: Ports, nodeState: NodeStateStore) {
  const logger = serviceLogger(settings, 'symbolizer');
  const onWarning = (message: string) => logger.warn(message);
  const cacheDir = join(settings.dataDir, 'debuginfod');
  const binariesDir = settings.binariesDir && resolve(settings.binariesDir);
  const local = new LocalBinaries(binariesDir || undefined, settings.localFiles === 'yes');
  const uploads = receivingEnd(settings, nodeState, logger);
  const source = uploads ? new UploadedBinaries({ ...uploads, local, binariesDir }) : local;
  const symbols = createSymbolizer({
    source,
    cacheBytes: settings.symbolsMemoryMb * 2 ** 20,
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

export function makeCollector(
  { settings, stream }: { settings: Settings; stream: Pick<Stream, 'producer'> },
  nodeState: NodeStateStore,
  { sharedProcess = false } = {},
) {
  const logger = serviceLogger(settings, 'collector');
  const uploads = sendingEnd(settings);
  return createCollector({
    stream,
    nodeState,
    topicPrefix: settings.topicPrefix,
    node: settings.node,
    cluster: settings.cluster,
    rateHz: settings.rateHz,
    windowSeconds: settings.windowSeconds,
    dataDir: join(settings.dataDir, 'collector'),
    samplerBinary: samplerBinaryPath(settings.samplerBinary),
    rung: settings.rung,
    kubernetes: settings.kubernetes,
    podNames: makePodNames(settings, process.env, logger),
    doctor: doctorServices(settings),
    sharedProcess,
    ...(uploads ? { uploads } : {}),
    logger,
  });
}

export function makeApi(
  { settings, stream }: { settings: Settings; stream: Pick<Stream, 'producer'> },
  store: Store,
  nodeState: NodeStateStore,
) {
  return createApi({
    store,
    nodeState,
    webRoot: webRoot(),
    host: settings.httpHost,
    port: settings.httpPort,
    cluster: settings.cluster,
    alerts: settings,
    alertLog: { stream, topicPrefix: settings.topicPrefix },
    allowedHosts: settings.allowedHosts,
    auth: authOf(settings, apiHosts(settings)),
    metricsPublic: settings.metricsPublic,
    callRates: { requestsPerSecond: settings.requestsPerSecond, concurrent: settings.concurrentRequests },
    ingest: {
      stream,
      topicPrefix: settings.topicPrefix,
      node: settings.node,
      otlpHost: settings.otlpHost,
      otlpGrpcPort: settings.otlpGrpcPort,
      otlpHttpPort: settings.otlpHttpPort,
      rates: { requestsPerSecond: settings.ingestRequestsPerSecond, mibPerSecond: settings.ingestMibPerSecond },
    },
    logger: serviceLogger(settings, 'api'),
  });
}

/** OTLP's address counts only where its ports are open. */
function apiHosts({ httpHost, otlpHost, otlpGrpcPort, otlpHttpPort }: Settings) {
  const otlp = otlpGrpcPort !== null || otlpHttpPort !== null;
  return { PERFLEET_HTTP_HOST: httpHost, ...(otlp ? { PERFLEET_OTLP_HOST: otlpHost } : {}) };
}
