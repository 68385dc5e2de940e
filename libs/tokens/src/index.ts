export * from './bearer.ts';
export * from './issue.ts';
export * from './scopes.ts';
export * from './token.ts';
export * from './verify.ts';
