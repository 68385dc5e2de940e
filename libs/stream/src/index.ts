export { EmbeddedStream, openEmbeddedStream } from './embedded/embedded-stream.ts';
export * from './errors.ts';
export * from './stream.ts';
