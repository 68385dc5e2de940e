export * from './symbolizer-service.ts';
export { symbolizerMetrics } from './metrics.ts';
