import type { Shutdown } from '@perfleet/observability';
import type { StartedSampler } from '@perfleet/sampler';
import { ensureDataDir, openNodeState } from '../adapters.ts';
import { makeCollector } from '../parts/collector.ts';
import { openPublishingStream } from '../publishing-stream.ts';
import { serviceLogger } from '../service-logger.ts';
import type { Settings } from '../settings.ts';

/** Profiles this node and publishes to the stream. @returns the line that says that it is ready */
export async function runCollector(
  settings: Settings,
  shutdown: Shutdown,
  startedSampler?: StartedSampler,
): Promise<string> {
  ensureDataDir(settings.dataDir);
  const nodeState = await openNodeState(settings);
  shutdown.add('node state', async () => nodeState.close());
  const stream = await openPublishingStream(settings, serviceLogger(settings, 'stream'), shutdown);
  const collector = makeCollector({ settings, stream }, nodeState, { startedSampler });
  shutdown.add('collector', () => collector.stop());
  await collector.start();
  return `collector of node ${settings.node} is running`;
}
