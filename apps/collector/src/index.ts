export * from './collector.ts';
export * from './discovery/kubernetes-evidence.ts';
export * from './discovery/live-capture.ts';
export * from './discovery/node-discovery.ts';
export type { PodName, PodNames, Placement } from './resource-labels.ts';
