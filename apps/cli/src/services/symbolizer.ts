import type { Shutdown } from '@perfleet/observability';
import { symbolizerMetrics } from '@perfleet/symbolizer';
import { ensureDataDir, openNodeState, openReachableNodeState } from '../adapters.ts';
import { makeSymbolizer } from '../parts/symbolizer.ts';
import type { Settings } from '../settings.ts';
import { openMetrics } from './metrics.ts';
import { streamPorts } from './stream-ports.ts';

/** Resolves addresses to functions. @returns the line that says that it is ready */
export async function runSymbolizer(settings: Settings, shutdown: Shutdown): Promise<string> {
  ensureDataDir(settings.dataDir);
  const nodeState =
    settings.uploadPort === null ? await openNodeState(settings) : await openReachableNodeState(settings);
  shutdown.add('node state', async () => nodeState.close());
  const symbolizer = makeSymbolizer(await streamPorts(settings, shutdown), nodeState);
  shutdown.add('symbolizer', () => symbolizer.stop());
  const metrics = await openMetrics(settings, shutdown, symbolizerMetrics(symbolizer.stats));
  const { uploadUrl } = await symbolizer.start();
  const receives = uploadUrl ? `, binaries are received at ${uploadUrl}` : '';
  return `symbolizer is running${receives}${metrics}`;
}
