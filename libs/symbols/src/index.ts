export * from './local-binaries.ts';
export * from './symbolizer.ts';
