import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import {
  createSymbolizerService,
  type SymbolizerService,
  type SymbolizerServiceOptions,
} from './symbolizer-service.ts';

export const SYMBOLIZER = Symbol('symbolizer');

/** Nest's lifecycle around the symbolizer: it starts with the application and stops before the adapters close. */
@Module({})
export class SymbolizerModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(@Inject(SYMBOLIZER) private readonly symbolizer: SymbolizerService) {}

  static register(options: SymbolizerServiceOptions): DynamicModule {
    const provider = { provide: SYMBOLIZER, useFactory: () => createSymbolizerService(options) };
    return { module: SymbolizerModule, providers: [provider], exports: [SYMBOLIZER] };
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.symbolizer.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.symbolizer.stop();
  }
}
