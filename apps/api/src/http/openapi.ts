type Json = Record<string, unknown>;

const query = (name: string, description: string, schema: Json = { type: 'string' }): Json => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
});

const SELECTOR = query('query', 'Selector, e.g. cpu{service="checkout", namespace=~"shop.*"}; empty = everything');
const FROM = query('from', 'Unix seconds or milliseconds, RFC 3339, now, or now-15m; default one hour before until');
const UNTIL = query('until', 'As from; default now');
const LIMIT = query('limit', 'Most entries of the answer', { type: 'integer', minimum: 1 });
const RANGE = [SELECTOR, FROM, UNTIL];

const error = (description: string): Json => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorResponse' } } },
});

const operation = (summary: string, parameters: Json[] = [], media = 'application/json'): Json => ({
  summary,
  parameters,
  responses: {
    200: { description: summary, content: { [media]: { schema: {} } } },
    400: error('The request is wrong; position points into the query'),
    401: error('A token is needed, or it is not valid (any more)'),
    403: error('The token has not the scope, or its labels cannot be kept here'),
    404: error('There is no such thing'),
    429: error('The caller sends too many requests'),
    503: error('The profile store or the node state store does not answer'),
  },
});

const withBody = (of: Json, schema: string, answers: Json = {}): Json => ({
  ...of,
  responses: { ...(of['responses'] as Json), ...answers },
  requestBody: {
    required: true,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  },
});

/** With another scope than reading. */
const needs = (scope: 'sql' | 'admin', of: Json): Json => ({ ...of, security: [{ token: [scope] }] });

const get = (...args: Parameters<typeof operation>) => ({ get: operation(...args) });
const path = (name: string): Json => ({ name, in: 'path', required: true, schema: { type: 'string' } });

/** Written by hand beside the controllers; the shapes of the answers are those of `libs/api-contract`. */
export const openApiDocument = {
  openapi: '3.1.0',
  info: {
    title: 'Perfleet',
    version: '1',
    description: 'Profiles of a cluster: flame graphs, SQL, the state of the nodes',
  },
  security: [{ token: ['read'] }],
  paths: {
    '/api/v1/labels': get('Names of labels'),
    '/api/v1/labels/{name}/values': get('Values of a label with what each used, largest first', [
      path('name'),
      ...RANGE,
      LIMIT,
    ]),
    '/api/v1/profile-types': get('Profile types and their units'),
    '/api/v1/flamegraph': get('Flame graph as columns, depth first; the first level is the process', [
      ...RANGE,
      query('maxNodes', 'Most nodes of the answer (100000); the lightest are folded into (other), totals stay exact', {
        type: 'integer',
        minimum: 2,
      }),
    ]),
    '/api/v1/top': get('Functions by self value', [...RANGE, LIMIT]),
    '/api/v1/unresolved-binaries': get('Binaries whose frames lack names, most samples first', [...RANGE, LIMIT]),
    '/api/v1/series': get('Value per step', [
      ...RANGE,
      query('step', 'Seconds per point', { type: 'integer', minimum: 1 }),
      query('by', 'Label whose values have a line each'),
      LIMIT,
    ]),
    '/api/v1/diff': get('Functions of two selections, largest change of share first', [
      ...RANGE,
      query('baseQuery', 'Selector of the base; default query'),
      query('baseFrom', 'Default from'),
      query('baseUntil', 'Default until'),
      LIMIT,
    ]),
    '/api/v1/heatmap': get('How the value spreads over series or values of a label, per step', [
      ...RANGE,
      query('step', 'Seconds per column', { type: 'integer', minimum: 1 }),
      query('buckets', 'Rows of equal width from 0 to the largest rate (20)', {
        type: 'integer',
        minimum: 1,
        maximum: 100,
      }),
      query('by', 'Label whose values are counted; default each series'),
    ]),
    '/api/v1/compare': get('Two versions of a service: functions that gained or lost, with exact totals', [
      ...RANGE,
      query('label', 'Label that tells the versions apart; with base and with'),
      query('base', 'Its value for the base'),
      query('with', 'Its value for what is compared'),
      query('baseQuery', 'Selector of the base; default query'),
      query('baseFrom', 'Default from'),
      query('baseUntil', 'Default until'),
      query('per', 'What the base is scaled to: the same CPU time (default), time, or pods and time', {
        enum: ['cpu', 'time', 'pod'],
      }),
      query('limit', 'Most functions of each list (20)', { type: 'integer', minimum: 0 }),
    ]),
    '/api/v1/export': get(
      'The selection as a file',
      [...RANGE, query('format', 'File format', { enum: ['pprof', 'folded', 'speedscope', 'firefox'] })],
      'application/octet-stream',
    ),
    '/api/v1/sql': {
      post: {
        security: [{ token: ['sql'] }],
        ...operation(
          'One read-only SELECT over the public views profiles, functions, nodes, node_events, alert_history, deliveries, coverage, coverage_windows, unresolved_binaries',
        ),
        requestBody: {
          required: true,
          content: { 'application/json': { schema: { $ref: '#/components/schemas/SqlRequest' } } },
        },
      },
    },
    '/api/v1/nodes': get('Every node of the registry and its last word'),
    '/api/v1/nodes/{id}': {
      get: operation('One node', [path('id')]),
      delete: needs('admin', operation('Takes a node that is gone out of the registry', [path('id')])),
    },
    '/api/v1/nodes/{id}/timeline': get('What happened to one node, and the coverage of its samples', [
      path('id'),
      FROM,
      UNTIL,
    ]),
    '/api/v1/fleet': get('Every node as columns, for a view of thousands'),
    '/api/v1/fleet/causes': get('What is wrong with nodes, grouped by cause, the most frequent first'),
    '/api/v1/config': {
      get: operation("The fleet's configuration; its version is also the ETag", [
        query('node', 'Name of a node: what the document means for it'),
      ]),
      put: needs(
        'admin',
        withBody(
          operation('Replaces the configuration', [
            {
              name: 'If-Match',
              in: 'header',
              required: false,
              description: 'Version that the change is based on, e.g. "3"; * replaces any. Else version in the body',
              schema: { type: 'string' },
            },
          ]),
          'ConfigRequest',
          {
            409: error('Somebody else changed it since the version in the body'),
            412: error('Somebody else changed it since the version in If-Match'),
            428: error('Neither If-Match nor version says what the change is based on'),
          },
        ),
      ),
    },
    '/api/v1/config/history': get('Changes of the configuration, newest first', [LIMIT]),
    '/api/v1/alerts': get('Alerts about nodes: pending, firing and lately resolved'),
    '/api/v1/alerts/history': get('What became of alerts, newest first', [LIMIT]),
    '/api/v1/alerts/{id}/acknowledge': {
      post: needs(
        'admin',
        withBody(
          operation('Somebody looks after this occurrence: it is not repeated', [path('id')]),
          'AcknowledgeRequest',
        ),
      ),
      delete: needs('admin', operation('Nobody does after all', [path('id')])),
    },
    '/api/v1/silences': {
      get: operation('Silences in force'),
      post: needs('admin', withBody(operation('Alerts that match are shown and not delivered'), 'SilenceRequest')),
    },
    '/api/v1/silences/{id}': { delete: needs('admin', operation('The silences that remain', [path('id')])) },
  },
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'pfl_…',
        description: 'From `perfleet token create`; asked for with PERFLEET_AUTH=tokens. The list names its scope',
      },
      password: { type: 'http', scheme: 'basic', description: 'The token as the password of any user' },
    },
    schemas: {
      ErrorResponse: {
        type: 'object',
        required: ['error'],
        properties: {
          error: {
            type: 'object',
            required: ['code', 'message'],
            properties: {
              code: { type: 'string' },
              message: { type: 'string' },
              position: { type: 'integer', minimum: 0 },
            },
          },
        },
      },
      AcknowledgeRequest: {
        type: 'object',
        properties: { by: { type: 'string' }, comment: { type: 'string' } },
      },
      SilenceRequest: {
        type: 'object',
        required: ['minutes'],
        properties: {
          kind: { type: 'string', description: 'Empty = every kind' },
          node: { type: 'string', description: 'Empty = every node; * stands for any run of characters' },
          cluster: { type: 'string' },
          minutes: { type: 'number', exclusiveMinimum: 0, maximum: 43200 },
          by: { type: 'string' },
          comment: { type: 'string' },
        },
      },
      ConfigRequest: {
        type: 'object',
        required: ['document'],
        properties: {
          document: { type: 'object', description: 'docs/configuration.md; errors name the field' },
          version: { type: 'integer', minimum: 0, description: 'Version that the change is based on, 0 = none' },
          by: { type: 'string', maxLength: 200 },
          comment: { type: 'string', maxLength: 2000 },
        },
      },
      SqlRequest: {
        type: 'object',
        required: ['query'],
        properties: {
          query: { type: 'string' },
          params: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
        },
      },
    },
  },
} as const;
