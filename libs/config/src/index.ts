export * from './alert-fields.ts';
export * from './config.ts';
