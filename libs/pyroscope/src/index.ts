export * from './flame-levels.ts';
export * from './gen/google/v1/profile_pb.ts';
export * from './gen/push/v1/push_pb.ts';
export * from './gen/querier/v1/querier_pb.ts';
export * from './ingest-text.ts';
export * from './name-tree.ts';
export * from './profile-types.ts';
export { LabelPairSchema, type LabelPair } from './gen/types/v1/types_pb.ts';
export { TimeSeriesAggregationType } from './gen/types/v1/types_pb.ts';
