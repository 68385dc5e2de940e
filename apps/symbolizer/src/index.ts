export * from './symbolizer-service.ts';
export * from './symbolizer.module.ts';
