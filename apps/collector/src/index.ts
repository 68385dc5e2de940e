export type { CollectorDeps } from './collector.ts';
export type { CollectorStats } from './collector-stats.ts';
export * from './create-collector.ts';
export { kubeletDeclaration } from './discovery/kubelet-declaration.ts';
export * from './discovery/kubernetes-evidence.ts';
export * from './discovery/live-capture.ts';
export * from './discovery/node-discovery.ts';
export { shareableCapture } from './discovery/shareable-capture.ts';
export type { Placement } from './resource-labels.ts';
