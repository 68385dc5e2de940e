export * from './bearer.ts';
export * from './decide.ts';
export * from './issue.ts';
export * from './labels.ts';
export * from './scopes.ts';
export * from './token.ts';
export * from './verify.ts';
