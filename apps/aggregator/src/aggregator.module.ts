import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { createAggregator, type Aggregator, type AggregatorOptions } from './aggregator.ts';

export const AGGREGATOR = Symbol('aggregator');

/** Nest's lifecycle around the aggregator: it starts with the application and stops before the adapters close. */
@Module({})
export class AggregatorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(@Inject(AGGREGATOR) private readonly aggregator: Aggregator) {}

  static register(options: AggregatorOptions): DynamicModule {
    const provider = { provide: AGGREGATOR, useFactory: () => createAggregator(options) };
    return { module: AggregatorModule, providers: [provider], exports: [AGGREGATOR] };
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.aggregator.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.aggregator.stop();
  }
}
