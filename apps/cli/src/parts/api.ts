import { createApi } from '@perfleet/api';
import type { Store } from '@perfleet/clickhouse';
import type { NodeStateStore } from '@perfleet/node-state';
import { authOf, openHosts } from '../auth.ts';
import { signInOf, tokenVerifier } from '../oidc.ts';
import { webRoot } from '../paths.ts';
import { serverTls } from '../server-tls.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';
import type { PublishingPorts } from './ports.ts';

export function makeApi({ settings, stream }: PublishingPorts, store: Store, nodeState: NodeStateStore) {
  const hosts = apiHosts(settings);
  const auth = authOf(settings, hosts);
  // Also without tokens, so that settings that say nothing are told.
  const verifier = tokenVerifier(settings, nodeState.tokens);
  const logger = serviceLogger(settings, 'api');
  const tls = serverTls(settings, ['tlsCertFile', 'tlsKeyFile'], logger);
  if (auth === 'tokens' && !tls && openHosts(hosts).length > 0)
    logger.warn(
      `tokens travel in the clear: set PERFLEET_TLS_CERT_FILE and PERFLEET_TLS_KEY_FILE, or have a proxy with TLS in front`,
    );
  return createApi({
    store,
    nodeState,
    webRoot: webRoot(),
    host: settings.httpHost,
    port: settings.httpPort,
    clickhousePort: settings.clickhousePort,
    cluster: settings.cluster,
    alerts: settings,
    alertLog: { stream, topicPrefix: settings.topicPrefix },
    allowedHosts: settings.allowedHosts,
    auth,
    verifier,
    tls,
    signIn: signInOf(settings),
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
    logger,
  });
}

/** OTLP's address counts only where its ports are open. */
function apiHosts({ httpHost, otlpHost, otlpGrpcPort, otlpHttpPort }: Settings) {
  const otlp = otlpGrpcPort !== null || otlpHttpPort !== null;
  return { PERFLEET_HTTP_HOST: httpHost, ...(otlp ? { PERFLEET_OTLP_HOST: otlpHost } : {}) };
}
