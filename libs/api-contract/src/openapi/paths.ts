import { COMPARE_PER, DIFF_BY, EXPORT_FORMATS, MERGE_BY } from '../comparison.ts';
import { errorAnswer, json, operation } from './operation.ts';
import { BASE, limit, path, query, RANGE, SELECTION, step, whole } from './parameters.ts';
import { anything, flag, map, oneOf, text } from './schema.ts';

const PATTERN = text(undefined, { maxLength: 1024 });
const NODE = path('id');
const NO_NODE = { 404: errorAnswer('No node is called so') };
const ALERT = path('id', text(undefined, { minLength: 1, maxLength: 1024 }));
const NO_ALERT = { 404: errorAnswer('There is no such alert') };

export const PROFILE_PATHS = {
  '/api/v1/labels': {
    get: operation({ id: 'labels', summary: 'Names of labels', answer: 'LabelsResponse' }),
  },
  '/api/v1/labels/{name}/values': {
    get: operation({
      id: 'labelValues',
      summary: 'Values of a label with what each used, largest first',
      parameters: [path('name'), ...SELECTION, limit(10_000, 1000)],
      answer: 'LabelValuesResponse',
      others: { 404: errorAnswer('No series has the label') },
    }),
  },
  '/api/v1/profile-types': {
    get: operation({ id: 'profileTypes', summary: 'Profile types and their units', answer: 'ProfileTypesResponse' }),
  },
  '/api/v1/flamegraph': {
    get: operation({
      id: 'flamegraph',
      summary: 'Flame graph as columns, depth first; the first level is the process',
      parameters: [
        ...SELECTION,
        query(
          'maxNodes',
          'Most nodes of the answer (100000); the lightest are folded into (other), totals stay exact',
          whole(2, 2_000_000),
        ),
        query(
          'focus',
          'Only stacks with a function of this name; * stands for any run of characters, ? for one',
          PATTERN,
        ),
        query('ignore', 'No stacks with a function of this name', PATTERN),
        query('invert', 'Leaves first: below a function are its callers', flag()),
        query('merge', 'What makes frames one (function)', oneOf(MERGE_BY)),
      ],
      answer: 'FlameGraphResponse',
    }),
  },
  '/api/v1/top': {
    get: operation({
      id: 'top',
      summary: 'Functions by self value',
      parameters: [...SELECTION, limit(10_000, 100)],
      answer: 'TopResponse',
    }),
  },
  '/api/v1/unresolved-binaries': {
    get: operation({
      id: 'unresolvedBinaries',
      summary: 'Binaries whose frames lack names, most samples first',
      parameters: [...SELECTION, limit(10_000, 100)],
      answer: 'UnresolvedBinariesResponse',
    }),
  },
  '/api/v1/series': {
    get: operation({
      id: 'series',
      summary: 'Value per step',
      parameters: [
        ...SELECTION,
        step('point'),
        query('by', 'Label whose values have a line each; function: the functions with the largest self values'),
        query(
          'function',
          'Name of one function, in the place of by: its total and its self value have a line each',
          text(undefined, { maxLength: 8192 }),
        ),
        limit(100, 20),
      ],
      answer: 'SeriesResponse',
    }),
  },
  '/api/v1/diff': {
    get: operation({
      id: 'diff',
      summary: 'Functions of two selections, largest change first',
      parameters: [
        ...SELECTION,
        ...BASE,
        query(
          'by',
          'Change of the share of each total (default), for sides of different length; or of the value',
          oneOf(DIFF_BY),
        ),
        limit(10_000, 100),
      ],
      answer: 'DiffResponse',
    }),
  },
  '/api/v1/heatmap': {
    get: operation({
      id: 'heatmap',
      summary: 'How the value spreads over series or values of a label, per step',
      parameters: [
        ...SELECTION,
        step('column'),
        query('buckets', 'Rows of equal width from 0 to the largest rate (20)', whole(1, 100)),
        query('by', 'Label whose values are counted; default each series'),
      ],
      answer: 'HeatmapResponse',
    }),
  },
  '/api/v1/compare': {
    get: operation({
      id: 'compare',
      summary: 'Two versions of a service: functions that gained or lost, with exact totals',
      parameters: [
        ...SELECTION,
        query('label', 'Label that tells the versions apart; with base and with'),
        query('base', 'Its value for the base'),
        query('with', 'Its value for what is compared'),
        ...BASE,
        query(
          'per',
          'What the base is scaled to: the same CPU time (default), time, or pods and time',
          oneOf(COMPARE_PER),
        ),
        query('limit', 'Most functions of each list (20)', whole(0, 10_000)),
      ],
      answer: 'CompareResponse',
    }),
  },
  '/api/v1/export': {
    get: operation({
      id: 'export',
      summary: 'The selection as a file',
      parameters: [...SELECTION, query('format', 'File format (pprof)', oneOf(EXPORT_FORMATS))],
      answer: {
        'application/gzip': { schema: { type: 'string', contentMediaType: 'application/gzip' } },
        'text/plain': { schema: text() },
        'application/json': { schema: { type: 'object' } },
      },
      headers: { 'content-disposition': { description: 'With the name of the file', schema: text() } },
    }),
  },
  '/api/v1/sql': {
    post: operation({
      id: 'sql',
      summary:
        'One read-only SELECT over the public views profiles, functions, spans, nodes, node_events, alert_history, deliveries, coverage, coverage_windows, unresolved_binaries',
      scope: 'sql',
      body: 'SqlRequest',
      answer: 'SqlResponse',
    }),
  },
};

export const FLEET_PATHS = {
  '/api/v1/nodes': {
    get: operation({
      id: 'nodes',
      summary: 'Every node of the registry and its last word',
      answer: 'NodesResponse',
    }),
  },
  '/api/v1/nodes/{id}': {
    get: operation({
      id: 'node',
      summary: 'One node',
      parameters: [NODE],
      answer: 'NodeSummary',
      others: NO_NODE,
    }),
    delete: operation({
      id: 'removeNode',
      summary: 'Takes a node that is gone out of the registry',
      scope: 'admin',
      parameters: [NODE],
      answer: 'NodeSummary',
      others: NO_NODE,
    }),
  },
  '/api/v1/nodes/{id}/timeline': {
    get: operation({
      id: 'nodeTimeline',
      summary: 'What happened to one node, and the coverage of its samples',
      parameters: [NODE, ...RANGE],
      answer: 'NodeTimelineResponse',
      others: NO_NODE,
    }),
  },
  '/api/v1/fleet': {
    get: operation({
      id: 'fleet',
      summary: 'Every node as columns, for a view of thousands',
      answer: 'FleetColumns',
    }),
  },
  '/api/v1/fleet/causes': {
    get: operation({
      id: 'causes',
      summary: 'What is wrong with nodes, grouped by cause, the most frequent first',
      answer: 'CausesResponse',
    }),
  },
  '/api/v1/config': {
    get: operation({
      id: 'config',
      summary: "The fleet's configuration; its version is also the ETag",
      parameters: [query('node', 'Name of a node: what the document means for it')],
      answer: 'ConfigResponse',
      headers: { etag: { description: 'The version', schema: text() } },
    }),
    put: operation({
      id: 'putConfig',
      summary: 'Replaces the configuration',
      scope: 'admin',
      parameters: [
        {
          name: 'If-Match',
          in: 'header',
          required: false,
          description: 'Version that the change is based on, e.g. "3"; * replaces any. Else version in the body',
          schema: text(undefined, { pattern: '^(\\*|(W/)?("\\d{1,15}"|\\d{1,15}))$' }),
        },
      ],
      body: 'ConfigRequest',
      answer: 'ConfigResponse',
      others: {
        409: errorAnswer('Somebody else changed it since the version in the body'),
        412: errorAnswer('Somebody else changed it since the version in If-Match'),
        428: errorAnswer('Neither If-Match nor version says what the change is based on'),
      },
      headers: { etag: { description: 'The version', schema: text() } },
    }),
  },
  '/api/v1/config/history': {
    get: operation({
      id: 'configHistory',
      summary: 'Changes of the configuration, newest first',
      parameters: [limit(100, 20)],
      answer: 'ConfigHistoryResponse',
    }),
  },
};

export const ALERT_PATHS = {
  '/api/v1/alerts': {
    get: operation({
      id: 'alerts',
      summary: 'Alerts about nodes: pending, firing and lately resolved',
      answer: 'AlertsResponse',
    }),
  },
  '/api/v1/alerts/history': {
    get: operation({
      id: 'alertHistory',
      summary: 'What became of alerts, newest first',
      parameters: [limit(10_000, 200)],
      answer: 'AlertHistoryResponse',
    }),
  },
  '/api/v1/alerts/{id}/acknowledge': {
    post: operation({
      id: 'acknowledge',
      summary: 'Somebody looks after this occurrence: it is not repeated',
      scope: 'admin',
      parameters: [ALERT],
      body: 'AcknowledgeRequest',
      answer: 'Alert',
      others: NO_ALERT,
    }),
    delete: operation({
      id: 'unacknowledge',
      summary: 'Nobody does after all',
      scope: 'admin',
      parameters: [ALERT],
      answer: 'Alert',
      others: NO_ALERT,
    }),
  },
  '/api/v1/silences': {
    get: operation({ id: 'silences', summary: 'Silences in force', answer: 'SilencesResponse' }),
    post: operation({
      id: 'silence',
      summary: 'Alerts that match are shown and not delivered',
      scope: 'admin',
      body: 'SilenceRequest',
      answer: 'SilenceSummary',
    }),
  },
  '/api/v1/silences/{id}': {
    delete: operation({
      id: 'unsilence',
      summary: 'The silences that remain',
      scope: 'admin',
      parameters: [path('id')],
      answer: 'SilencesResponse',
      others: { 404: errorAnswer('There is no such silence; it may have ended') },
    }),
  },
};

const READY = { ...map(text(), '`status`, and `ok` or the reason for every part') };

export const SERVER_PATHS = {
  '/api/v1/sign-in': {
    get: operation({
      id: 'signIn',
      summary: 'How a person can sign in besides with a token',
      scope: 'public',
      answer: 'SignInResponse',
    }),
  },
  '/api/openapi.json': {
    get: operation({ id: 'openApi', summary: 'This document', answer: json({ type: 'object' }) }),
  },
  '/livez': {
    get: operation({ id: 'live', summary: 'The process answers', scope: 'public', answer: json(map(text())) }),
  },
  '/readyz': {
    get: operation({
      id: 'ready',
      summary: 'Both stores answer',
      scope: 'public',
      answer: json(READY),
      others: { 503: { description: 'One of them does not', content: json(READY) } },
    }),
  },
  '/metrics': {
    get: operation({
      id: 'metrics',
      summary: 'What the server tells Prometheus',
      answer: { 'text/plain': { schema: anything } },
    }),
  },
};
