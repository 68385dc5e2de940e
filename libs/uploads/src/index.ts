export * from './lease-store.ts';
export * from './protocol.ts';
