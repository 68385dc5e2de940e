/** Shapes of `/api/v1`, written from its OpenAPI document, and what both ends do with them. */
export * from './alerts.ts';
export * from './causes.ts';
export * from './client.ts';
export * from './comparison.ts';
export * from './fleet.ts';
export type * from './gen/api.ts';
