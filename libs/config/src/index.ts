export * from './alert-fields.ts';
export * from './config.ts';
export * from './upload-fields.ts';
