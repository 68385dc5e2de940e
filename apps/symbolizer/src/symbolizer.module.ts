import { Module, type DynamicModule } from '@nestjs/common';
import type { Resolvers } from './resolvers.ts';
import type { Scanner } from './scanner.ts';
import { RESOLVERS, SCANNER, SymbolizerController } from './symbolizer.controller.ts';

@Module({ controllers: [SymbolizerController] })
export class SymbolizerModule {
  static register(scanner: Scanner, resolvers: Resolvers): DynamicModule {
    return {
      module: SymbolizerModule,
      providers: [
        { provide: SCANNER, useValue: scanner },
        { provide: RESOLVERS, useValue: resolvers },
      ],
    };
  }
}
