export { createApi, type StartedApi, type Api, type ApiOptions } from './create-api.ts';
export type { IngestSettings } from './ingest/start-ingest.ts';
export { sqlUserStatements, type SqlUserOptions } from './sql/server-users.ts';
