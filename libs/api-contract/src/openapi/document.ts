import { FLEET_SCHEMAS } from './fleet.ts';
import { RESPONSES } from './operation.ts';
import { OPERATION_SCHEMAS } from './operations.ts';
import { ALERT_PATHS, FLEET_PATHS, PROFILE_PATHS, SERVER_PATHS } from './paths.ts';
import { PROFILE_SCHEMAS } from './profiles.ts';

/**
 * The HTTP API. What the server answers and what its clients send is typed by what `npm run api-client` makes of it
 * (`src/gen/api.ts`).
 */
export const openApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'Perfleet',
    version: '1',
    description: 'Profiles of a cluster: flame graphs, SQL, the state of the nodes',
  },
  paths: { ...PROFILE_PATHS, ...FLEET_PATHS, ...ALERT_PATHS, ...SERVER_PATHS },
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'pfl_…, or a JWT of the OpenID Connect provider',
        description: 'From `perfleet token create`; asked for with PERFLEET_AUTH=tokens. The list names its scope',
      },
    },
    responses: RESPONSES,
    schemas: { ...PROFILE_SCHEMAS, ...FLEET_SCHEMAS, ...OPERATION_SCHEMAS },
  },
} as const;
