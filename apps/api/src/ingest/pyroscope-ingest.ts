import type { Logger } from '@perfleet/observability';
import type { PprofProfile } from '@perfleet/pprof';
import { IngestTextError, parseFolded, parseIngestName, profileNameOf } from '@perfleet/pyroscope';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { access } from '../access/route-access.ts';
import { ApiError, badRequest } from '../http/api-error.ts';
import { text, type RawQuery } from '../http/params.ts';
import { expandedBody, refusalOf, retryAfter, senderOf, takeBytes } from './body.ts';
import { foldedProfile } from './folded-profile.ts';
import { readPprof, type IngestService } from './ingest-service.ts';
import { INGEST_LIMITS } from './limits.ts';
import type { Labels, PushedProfile } from './pushed-profile.ts';

const FORMATS = ['pprof', 'groups', 'lines', 'folded'];

/**
 * Pyroscope's `/ingest` (https://grafana.com/docs/pyroscope/latest/reference-server-api/#ingestion): pprof in a form, as its
 * SDKs send it, pprof as the body, and folded text. Errors are plain text, as there.
 */
export async function servePyroscopeIngest(
  fastify: FastifyInstance,
  ingest: IngestService,
  logger: Logger,
): Promise<void> {
  await fastify.register(async (scope) => {
    takeBytes(scope);
    scope.post('/ingest', access('ingest'), async (request, reply) => {
      await ingest.pushed(senderOf(request), async () => [await read(request)]);
      return reply.send('');
    });
    scope.setErrorHandler((error, _request, reply) => {
      const { status, message, expected } = refusalOf(
        error instanceof IngestTextError ? badRequest(error.message) : error,
      );
      if (!expected) logger.error({ path: '/ingest', error: (error as Error).stack }, 'bug');
      return retryAfter(reply.status(status), status).type('text/plain; charset=utf-8').send(`${message}\n`);
    });
  });
}

async function read(request: FastifyRequest): Promise<PushedProfile> {
  const query = request.query as RawQuery;
  const { app, labels } = parseIngestName(text(query, 'name') ?? '');
  const spy = text(query, 'spyName') ?? '';
  const fallbackNanos = nanosOf(text(query, 'from')) ?? BigInt(Date.now()) * 1_000_000n;
  const contentType = request.headers['content-type'] ?? '';
  const format = text(query, 'format') ?? (contentType.startsWith('multipart/form-data') ? 'pprof' : 'groups');
  if (!FORMATS.includes(format) || contentType.startsWith('binary/octet-stream+'))
    throw new ApiError(415, 'format', `format ${format.slice(0, 50)} is not supported: send pprof, groups or lines`);
  const body = await expandedBody(request);
  const pushed = { labels, spy, fallbackNanos };
  if (format !== 'pprof') {
    const { samples: stacks, stackDepth: depth } = INGEST_LIMITS;
    const folded = parseFolded(body.toString('utf8'), format === 'lines' ? 'lines' : 'groups', { stacks, depth });
    const units = text(query, 'units') ?? 'samples';
    const rate = Number(text(query, 'sampleRate') ?? 100);
    const { service, ...profile } = foldedProfile(app, folded, units, rate, fallbackNanos);
    return { ...pushed, ...profile, labels: withService(labels, service) };
  }
  const { profile, displayNames } = contentType.startsWith('multipart/form-data')
    ? await readForm(body, contentType)
    : { profile: await readPprof(body), displayNames: new Map<string, string>() };
  const name = profileNameOf(
    profile.sampleTypes.map(({ type }) => type),
    displayNames,
  );
  return { ...pushed, profile, name, labels: withService(labels, app) };
}

const withService = (labels: Labels, app: string): Labels =>
  labels.some(([name]) => name === 'service_name') ? labels : [['service_name', app], ...labels];

async function readForm(
  body: Buffer,
  contentType: string,
): Promise<{ profile: PprofProfile; displayNames: Map<string, string> }> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  } catch (cause) {
    throw badRequest(`the form cannot be read: ${(cause as Error).message}`);
  }
  const bytes = async (field: string) => {
    const part = form.get(field);
    if (part === null) return null;
    return typeof part === 'string' ? Buffer.from(part, 'utf8') : Buffer.from(await part.arrayBuffer());
  };
  if (form.has('prev_profile'))
    throw badRequest('prev_profile is not supported: this version of the SDK sends running totals; update it');
  const profile = await bytes('profile');
  if (profile === null) throw badRequest('the form has no field profile');
  const config = await bytes('sample_type_config');
  return {
    profile: await readPprof(profile),
    displayNames: config === null ? new Map() : displayNamesOf(config.toString('utf8')),
  };
}

/** `{"contentions": {"display-name": "mutex_count"}}` */
function displayNamesOf(json: string): Map<string, string> {
  let config: unknown;
  try {
    config = JSON.parse(json);
  } catch {
    throw badRequest('sample_type_config is not JSON');
  }
  const names = new Map<string, string>();
  for (const [type, of] of Object.entries((config ?? {}) as Record<string, unknown>)) {
    const name = (of as { 'display-name'?: unknown } | null)?.['display-name'];
    if (typeof name === 'string' && name !== '') names.set(type, name);
  }
  return names;
}

/** Unix seconds, milliseconds, microseconds or nanoseconds, told apart by their size. */
function nanosOf(time: string | undefined): bigint | null {
  if (time === undefined) return null;
  if (!/^\d{1,19}$/.test(time)) throw badRequest(`from=${time.slice(0, 40)} is not a Unix time`);
  const value = BigInt(time);
  if (value < 100_000_000_000n) return value * 1_000_000_000n;
  if (value < 100_000_000_000_000n) return value * 1_000_000n;
  return value < 100_000_000_000_000_000n ? value * 1000n : value;
}
