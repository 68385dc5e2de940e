export * from './errors.ts';
export * from './wire-reader.ts';
export * from './wire-writer.ts';
