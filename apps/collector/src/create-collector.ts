import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Collector, CollectorDeps, CollectorStats } from './collector.ts';
import { COLLECTOR, CollectorModule } from './collector.module.ts';

export interface CollectorApp {
  /** Resolves when the sampler was started; whether it runs is state. @throws when the data directory is not writable */
  start(): Promise<void>;
  /** Idempotent; under 2.5 s. What could not be sent stays on disk for the next run. */
  stop(): Promise<void>;
  /** @throws Error before it was started */
  stats(): CollectorStats;
}

/** The agent of one node, a Nest application context: it serves nobody. */
export function createCollector(deps: CollectorDeps): CollectorApp {
  let app: INestApplicationContext | null = null;
  return {
    async start() {
      app = await NestFactory.createApplicationContext(CollectorModule.register(deps), {
        logger: false,
        abortOnError: false,
      });
    },
    async stop() {
      await app?.close();
    },
    stats() {
      if (!app) throw new Error('the collector was not started');
      return app.get<Collector>(COLLECTOR).stats();
    },
  };
}
