export * from './logger.ts';
export * from './metrics-server.ts';
export * from './shutdown.ts';
export * from './stats-metrics.ts';
