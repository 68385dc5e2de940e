export * from './attributes.ts';
export * from './decode.ts';
export * from './encoder.ts';
export * from './errors.ts';
export * from './model.ts';
export * from './json.ts';
export * from './sample-values.ts';
export { ExportProfilesServiceResponseSchema, ProfilesService } from './gen/service_pb.ts';
