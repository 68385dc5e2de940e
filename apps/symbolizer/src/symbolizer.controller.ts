import { Controller, Inject } from '@nestjs/common';
import { TOPICS } from '@perfleet/messages';
import type { PartitionAssignment, PartitionHandler } from '@perfleet/stream';
import { StreamHandler } from '@perfleet/stream/nest';
import type { Resolvers } from './resolvers.ts';
import type { Scanner } from './scanner.ts';

export const SCAN_GROUP = 'perfleet-symbolizer-scan';
export const RESOLVE_GROUP = 'perfleet-symbolizer-resolve';
export const SCANNER = Symbol('Scanner');
export const RESOLVERS = Symbol('Resolvers');

@Controller()
export class SymbolizerController {
  constructor(
    @Inject(SCANNER) private readonly scanner: Scanner,
    @Inject(RESOLVERS) private readonly resolvers: Resolvers,
  ) {}

  @StreamHandler({ topic: TOPICS.profiles, group: SCAN_GROUP })
  scan(assignment: PartitionAssignment): PartitionHandler {
    return {
      onBatch: async ({ messages }) => {
        await this.scanner.scan(messages);
        await assignment.commit(messages.at(-1)!.offset + 1n);
      },
    };
  }

  @StreamHandler({ topic: TOPICS.addresses, group: RESOLVE_GROUP })
  resolve(assignment: PartitionAssignment): PartitionHandler {
    return this.resolvers.handler(assignment);
  }
}
