import { Shutdown, type Logger } from '@perfleet/observability';

/**
 * The life of a service's process: starts its parts, prints the line that says they are ready, and stops them in reverse on a
 * signal, also on one that comes during the start.
 */
export async function runUntilSignal(logger: Logger, start: (shutdown: Shutdown) => Promise<string>): Promise<never> {
  const shutdown = new Shutdown(logger);
  const stopped = shutdown.untilSignal();
  // Waiting for a signal keeps no process alive, and the embedded log's timers do not either: an idle aggregator would be over.
  setInterval(() => undefined, 2 ** 31 - 1);
  try {
    const line = await Promise.race([start(shutdown), stopped]);
    if (line !== undefined) process.stdout.write(`${line}\n`);
  } catch (error) {
    // Parts that were closed under a start that was not over may fail; that is no news.
    if (!shutdown.stopping) {
      await shutdown.stop();
      throw error;
    }
  }
  await stopped;
  // The engine in this process takes its locks again at an orderly end: while a query holds one, that end never comes.
  if (shutdown.hanging.includes('store')) process.kill(process.pid, 'SIGKILL');
  process.exit(0);
}
