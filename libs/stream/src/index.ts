export { EmbeddedStream, openEmbeddedStream } from './embedded/embedded-stream.ts';
export * from './errors.ts';
export { UnsupportedCodecError } from './kafka/codecs.ts';
export { KafkaStream, openKafkaStream, type KafkaStreamOptions } from './kafka/kafka-stream.ts';
export { partitionOf } from './partitioner.ts';
export * from './read-topic.ts';
export * from './stream.ts';
