import { createRequire } from 'node:module';

/** kafkajs is CommonJS, and Node does not find all of its exports by name in an `import`; types are imported from it directly. */
export const require = createRequire(import.meta.url);

export const { AssignerProtocol, CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } =
  require('kafkajs') as typeof import('kafkajs');
