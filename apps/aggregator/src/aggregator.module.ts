import { Module, type DynamicModule } from '@nestjs/common';
import { AggregatorController, LIMITS, SINKS, type Sinks } from './aggregator.controller.ts';
import type { BlockLimits } from './block-handler.ts';

@Module({ controllers: [AggregatorController] })
export class AggregatorModule {
  static register(sinks: Sinks, limits: BlockLimits): DynamicModule {
    return {
      module: AggregatorModule,
      providers: [
        { provide: SINKS, useValue: sinks },
        { provide: LIMITS, useValue: limits },
      ],
    };
  }
}
