export { apiServerSource, kubeletSource, type PodListOptions } from './http-source.ts';
export { logFilesSource, parseLogFileName } from './log-files.ts';
export { keyOf, type PodName, type PodRecord, type PodSource, type SourceStatus, type Texts } from './model.ts';
export { parsePodList } from './pod-list.ts';
export { createPodNames, type PodNames, type PodNamesOptions } from './pod-names.ts';
