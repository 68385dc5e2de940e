export * from './symbolizer-service.ts';
