import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { CollectorDeps } from './collector-deps.ts';
import { Collector } from './collector.ts';

export const COLLECTOR = Symbol('Collector');

/** Nest's lifecycle around the collector: it starts with the application and stops before the adapters close. */
@Module({})
export class CollectorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(@Inject(COLLECTOR) private readonly collector: Collector) {}

  static register(deps: CollectorDeps): DynamicModule {
    const provider = { provide: COLLECTOR, useFactory: () => new Collector(deps) };
    return { module: CollectorModule, providers: [provider], exports: [COLLECTOR] };
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.collector.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.collector.stop();
  }
}
