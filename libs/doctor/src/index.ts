export { effectiveCapabilities } from './capabilities.ts';
export { formatChecks } from './format.ts';
export type { Check, CheckStatus, DoctorOptions, Machine } from './model.ts';
export { exitCode, runDoctor } from './run.ts';
