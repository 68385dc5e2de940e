import { FLEET_CONFIG_SCHEMA } from './fleet-config.ts';
import { ALERT_KINDS } from '../alerts.ts';
import {
  anything,
  count,
  list,
  map,
  number,
  object,
  oneOf,
  orNull,
  ref,
  request,
  text,
  type Schema,
} from './schema.ts';

const who = {
  'by?': text('Who, as they say', { maxLength: 200 }),
  'comment?': text('Why', { maxLength: 2000 }),
};
const note = { by: text(), comment: text() };

/** What operators do, and SQL. Times are Unix milliseconds. */
export const OPERATION_SCHEMAS: Readonly<Record<string, Schema>> = {
  Alert: object({
    id: text('The same condition of the same node has the same id'),
    kind: oneOf(ALERT_KINDS),
    node: text(),
    cluster: text(),
    severity: oneOf(['warning', 'critical']),
    state: oneOf(
      ['pending', 'firing', 'resolved'],
      'pending: true, but not yet for as long as its rule asks. resolved: no longer true; shown for an hour',
    ),
    since: number('The condition holds since'),
    firedAt: { ...orNull(number()), description: 'null unless firing or resolved' },
    resolvedAt: orNull(number()),
    reason: text(),
    acknowledged: orNull(object({ by: text(), at: number(), comment: text() })),
    silenced: {
      ...orNull(object({ id: text(), until: number(), ...note })),
      description: 'The silence that matches and ends last',
    },
  }),
  AlertsResponse: object({
    alerts: list(ref('Alert')),
    unknown: list(
      oneOf(ALERT_KINDS),
      'Kinds that cannot be judged right now because the profile store does not answer; their alerts stand as they were',
    ),
  }),
  AlertHistoryResponse: object({
    history: list(
      object({
        time: number(),
        alert: text(),
        kind: text(),
        node: text(),
        cluster: text(),
        what: text(),
        detail: text(),
      }),
      'Newest first',
    ),
  }),
  AcknowledgeRequest: request(who),
  SilenceRequest: request(
    {
      'kind?': oneOf(['', ...ALERT_KINDS]),
      'node?': text('`*` stands for any run of characters', { maxLength: 253 }),
      'cluster?': text(undefined, { maxLength: 253 }),
      minutes: number('From now; at most 30 days', { minimum: 0.1, maximum: 43_200 }),
      ...who,
    },
    'An empty or missing matcher matches everything',
  ),
  SilenceSummary: object({
    id: text(),
    kind: text(),
    node: text(),
    cluster: text(),
    createdAt: number(),
    until: number(),
    ...note,
  }),
  SilencesResponse: object({ silences: list(ref('SilenceSummary')) }),
  FleetConfig: FLEET_CONFIG_SCHEMA,
  NodeSettings: object({}, 'Settings in force on one node: every field of `defaults` is stated'),
  ConfigResponse: object({
    version: count('0 = nothing was ever configured'),
    changedAt: number('0 when there is none'),
    ...note,
    document: ref('FleetConfig'),
    error: text('Why what stands in the store is not valid, and therefore used by no node; "" when it is'),
    'node?': text(),
    'settings?': ref('NodeSettings'),
  }),
  ConfigRequest: request(
    {
      document: ref('FleetConfig'),
      'version?': count('Version that the change is based on, 0 = none', { maximum: Number.MAX_SAFE_INTEGER }),
      ...who,
    },
    'Replaces the document. The version that the change is based on stands in `version`, or as `If-Match: "3"`; `If-Match: *` replaces whatever there is',
  ),
  ConfigHistoryResponse: object({
    changes: list(
      object({
        version: count(),
        changedAt: number(),
        ...note,
        document: anything,
        changed: list(text(), 'What it changed, one line a field; empty for the oldest that is kept'),
      }),
      'Newest first',
    ),
  }),
  SqlRequest: request({
    query: text('One SELECT over the public views', { minLength: 1, maxLength: 100_000, format: 'sql' }),
    'params?': map({ type: ['string', 'number', 'null'] }, 'Values of {name:Type} in the query', {
      propertyNames: { pattern: '^[A-Za-z_]\\w{0,63}$' },
      maxProperties: 100,
    }),
  }),
  SqlResponse: object({
    columns: list(object({ name: text(), type: text() })),
    rows: list(list(anything)),
    tookMs: number('Milliseconds'),
  }),
  SignInResponse: object({
    provider: orNull(
      object(
        {
          issuer: text(),
          clientId: text(),
          scope: text('Separated by spaces'),
          tokenUse: oneOf(['id', 'access'], 'Which of the tokens of the provider opens the API'),
          authorizationEndpoint: text(),
          tokenEndpoint: text(),
          'endSessionEndpoint?': text(),
          signedBy: list(text(), 'Algorithms by which its ID tokens are signed'),
          issInAnswer: { type: 'boolean', description: 'The provider names itself in its answers (RFC 9207)' },
        },
        'An OpenID Connect provider at which a person can sign in; null = tokens only',
      ),
    ),
    error: text('Why there is no provider though one is set, ""'),
  }),
  ErrorResponse: object(
    {
      error: object({
        code: text(),
        message: text(),
        'position?': count('Into the query, where it is known'),
      }),
    },
    'Every error answer',
  ),
};
