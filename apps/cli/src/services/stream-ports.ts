import type { Shutdown } from '@perfleet/observability';
import { openStream } from '../adapters.ts';
import type { Ports } from '../parts/ports.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';

/** The stream, opened for who reads it, and closed at the end. */
export async function streamPorts(settings: Settings, shutdown: Shutdown): Promise<Ports> {
  const stream = await openStream(settings, serviceLogger(settings, 'stream'));
  shutdown.add('stream', () => stream.close());
  return { settings, stream };
}
