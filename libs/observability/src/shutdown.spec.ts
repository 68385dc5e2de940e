import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.ts';
import { Shutdown } from './shutdown.ts';

const logger = createLogger('test', { level: 'fatal' });
const never = () => new Promise<void>(() => undefined);

describe('Shutdown', () => {
  it('stops parts in the reverse order, once, whatever one of them throws', async () => {
    const shutdown = new Shutdown(logger);
    const order: string[] = [];
    shutdown.add('first', async () => void order.push('first'));
    shutdown.add('second', async () => {
      order.push('second');
      throw new Error('broken');
    });
    expect(shutdown.stopping).toBe(false);
    await Promise.all([shutdown.stop(), shutdown.stop()]);
    expect(shutdown.stopping).toBe(true);
    expect(order).toEqual(['second', 'first']);
  });

  it('gives parts that hang the whole time together, and the ones behind them a turn', async () => {
    const shutdown = new Shutdown(logger, 100);
    const stopped: string[] = [];
    shutdown.add('store', async () => void stopped.push('store'));
    shutdown.add('hangs too', never);
    shutdown.add('hangs', never);
    await shutdown.stop();
    expect(stopped).toEqual(['store']);
    expect(shutdown.hanging).toEqual(['hangs', 'hangs too']);
  });
});
