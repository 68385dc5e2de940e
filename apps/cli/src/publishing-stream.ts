import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Logger, Shutdown } from '@perfleet/observability';
import { StreamUnavailableError, type Stream } from '@perfleet/stream';
import { openStream } from './adapters.ts';
import type { Settings } from './settings.ts';

/**
 * The stream for who only writes to it and keeps what it did not take. The first start from a data directory fails when no broker
 * answers: an address is more likely wrong than a cluster down. Once these brokers have answered, a node that comes up while they are
 * away starts all the same; `producer` rejects until one is back.
 */
export async function openPublishingStream(
  settings: Settings,
  logger: Logger,
  shutdown: Shutdown,
): Promise<Pick<Stream, 'producer'>> {
  const known = join(settings.dataDir, 'collector', 'brokers');
  let opened: Stream | null = null;
  shutdown.add('stream', async () => opened?.close());
  const open = async (): Promise<Stream> => {
    if (opened) return opened;
    opened = await openStream(settings, logger);
    remember(known, settings.kafkaBrokers.join());
    return opened;
  };
  try {
    await open();
  } catch (error) {
    if (!(error instanceof StreamUnavailableError) || !isRemembered(known, settings.kafkaBrokers.join())) throw error;
    logger.warn({ error: error.message }, 'the brokers are away; starting all the same, messages wait on disk');
  }
  return { producer: async () => (await open()).producer() };
}

/**
 * The stream for who writes to it now and then and has other work: opened by the first `producer`, which rejects while no broker
 * answers.
 */
export function lazyPublishingStream(settings: Settings, logger: Logger, shutdown: Shutdown): Pick<Stream, 'producer'> {
  let opened: Promise<Stream> | null = null;
  shutdown.add('stream', async () => (await opened?.catch(() => null))?.close());
  return {
    async producer() {
      opened ??= openStream(settings, logger);
      try {
        return await (await opened).producer();
      } catch (error) {
        // A stream that opened stays: only what failed to open is tried again.
        await opened.catch(() => (opened = null));
        throw error;
      }
    },
  };
}

function isRemembered(path: string, brokers: string): boolean {
  try {
    return readFileSync(path, 'utf8') === brokers;
  } catch {
    return false;
  }
}

function remember(path: string, brokers: string): void {
  if (isRemembered(path, brokers)) return;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, brokers);
  } catch {
    // A full disk: the next start asks the brokers again.
  }
}
