export * from './attributes.ts';
export * from './decode.ts';
export * from './encoder.ts';
export * from './errors.ts';
export { LINK_BYTES, linkAt, type SpanLink } from './links.ts';
export * from './model.ts';
export * from './json.ts';
export * from './sample-values.ts';
export { ExportProfilesServiceResponseSchema, ProfilesService } from './gen/service_pb.ts';
