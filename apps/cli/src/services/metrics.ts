import { serveMetrics, type Shutdown } from '@perfleet/observability';
import type { Registry } from 'prom-client';
import type { Settings } from '../settings.ts';

/** @returns what the line that says the service is ready says of it */
export async function openMetrics(settings: Settings, shutdown: Shutdown, registry: Registry): Promise<string> {
  if (settings.metricsPort === null) return '';
  const server = await serveMetrics({ registry, host: settings.metricsHost, port: settings.metricsPort });
  shutdown.add('metrics', () => server.close());
  return `; metrics: ${server.url}`;
}
