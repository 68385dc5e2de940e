export { htlHash } from './htl-hash.ts';
export * from './local-binaries.ts';
export * from './symbolizer.ts';
