export * from './debuginfod.ts';
export * from './local-binaries.ts';
export * from './reason-class.ts';
export * from './symbolizer.ts';
export * from './turns.ts';
export { identify, slimBinary, type BinaryIdentity, type SlimBinary } from '@perfleet/native-symbols';
