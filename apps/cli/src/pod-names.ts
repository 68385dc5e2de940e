import type { Logger } from '@perfleet/observability';
import {
  apiServerSource,
  createPodNames,
  kubeletSource,
  logFilesSource,
  type PodNames,
  type PodSource,
} from '@perfleet/pods';
import type { Settings } from './settings.ts';

/** Where the API server is, as every pod is told. */
export function inClusterServer(env: Readonly<Record<string, string | undefined>>): string {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (!host) return '';
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The configured sources of names, best first; each is optional. A change of one is logged once. */
export function makePodNames(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): PodNames {
  const { node: nodeName, kubernetesTokenFile: tokenFile, kubernetesCaFile: caFile } = settings;
  const server = settings.apiServerUrl === 'auto' ? inClusterServer(env) : settings.apiServerUrl;
  const sources: PodSource[] = [];
  if (server && server !== 'none') sources.push(apiServerSource({ server, nodeName, tokenFile, caFile }));
  if (settings.kubeletUrl !== 'none' && settings.kubeletUrl !== 'auto') {
    sources.push(kubeletSource({ url: settings.kubeletUrl, tokenFile, caFile: settings.kubeletCaFile || caFile }));
  }
  if (settings.containerLogsDir !== 'none') sources.push(logFilesSource(settings.containerLogsDir));
  return createPodNames({
    sources,
    onChange: ({ source, ok, error, pods }, before) => {
      if (ok) logger.info({ source, pods }, 'names of pods: the source answers');
      else if (before.answeredAt !== null)
        logger.warn({ source, error }, 'names of pods: lost a source; its last answer stays');
      else logger.info({ source, error }, 'names of pods: the source does not answer');
    },
  });
}
