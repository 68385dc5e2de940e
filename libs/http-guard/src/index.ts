export * from './arrival.ts';
export * from './refused-request.ts';
export * from './tls-identity.ts';
