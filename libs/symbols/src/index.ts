export * from './debuginfod.ts';
export * from './local-binaries.ts';
export * from './symbolizer.ts';
