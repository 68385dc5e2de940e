export * from './attributes.ts';
export * from './decode.ts';
export * from './encoder.ts';
export * from './errors.ts';
export * from './model.ts';
