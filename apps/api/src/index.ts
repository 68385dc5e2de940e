export { createApi, type StartedApi, type Api, type ApiOptions } from './create-api.ts';
export type { IngestSettings } from './ingest/start-ingest.ts';
