export * from './symbolizer-service.ts';
export { symbolizerMetrics } from './metrics.ts';
export { UploadedBinaries } from './uploads/uploaded-binaries.ts';
export type { UploadsOptions } from './uploads/uploads.ts';
export type { UploadStats } from './uploads/upload-stats.ts';
