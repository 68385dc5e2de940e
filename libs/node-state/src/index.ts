export * from './alert-recovery.ts';
export * from './alert-store.ts';
export * from './config-store.ts';
export * from './errors.ts';
export { pingRedis } from './redis-client.ts';
export * from './redis.ts';
export { parseRedisUrl, type RedisTarget } from './redis-url.ts';
export * from './sqlite.ts';
export * from './store.ts';
