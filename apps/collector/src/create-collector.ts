import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CollectorDeps } from './collector-deps.ts';
import type { Collector } from './collector.ts';
import type { CollectorStats } from './collector-stats.ts';
import { COLLECTOR, CollectorModule } from './collector.module.ts';

export interface CollectorApp {
  /** Resolves when the sampler was started; whether it runs is state. @throws when the data directory is not writable */
  start(): Promise<void>;
  /** Idempotent; under 2.2 s. What could not be sent stays on disk for the next run. */
  stop(): Promise<void>;
  /** @throws Error before it was started */
  stats(): CollectorStats;
}

/** The agent of one node, a Nest application context: it serves nobody. */
export function createCollector(deps: CollectorDeps): CollectorApp {
  let starting: Promise<INestApplicationContext> | null = null;
  let app: INestApplicationContext | null = null;
  return {
    async start() {
      starting = NestFactory.createApplicationContext(CollectorModule.register(deps), {
        logger: false,
        abortOnError: false,
      });
      app = await starting;
    },
    async stop() {
      // One that failed to start has nothing to stop.
      const started = await starting?.catch(() => null);
      await started?.close();
    },
    stats() {
      if (!app) throw new Error('the collector was not started');
      return app.get<Collector>(COLLECTOR).stats();
    },
  };
}
