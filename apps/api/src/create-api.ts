import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ClickhouseHttp, Store } from '@perfleet/clickhouse';
import type { AlertChange } from '@perfleet/messages';
import type { SignIn } from '@perfleet/oidc';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { PusherService, QuerierService } from '@perfleet/pyroscope';
import { createTokenVerifier, type TokenVerifier } from '@perfleet/tokens';
import { guardRoutes, type Access, type GuardedRoute } from './access/access-guard.ts';
import { CallLimiter, DEFAULT_CALL_RATES, type CallRates } from './access/call-limiter.ts';
import { limitMessages } from './access/limit-messages.ts';
import { AlertArchive } from './alerts/alert-archive.ts';
import { AlertEngine, type AlertTiming } from './alerts/alert-engine.ts';
import { AlertPublisher, type AlertLog } from './alerts/alert-publisher.ts';
import { AlertService } from './alerts/alert-service.ts';
import { FactReader } from './alerts/facts.ts';
import { DEFAULT_ALERT_SETTINGS, type AlertSettings } from './alerts/settings.ts';
import { ConfigService } from './config/config-service.ts';
import { serveConnect } from './connect/serve-connect.ts';
import { AlertsController } from './controllers/alerts.controller.ts';
import { ComparisonController } from './controllers/comparison.controller.ts';
import { ConfigController } from './controllers/config.controller.ts';
import { HealthController } from './controllers/health.controller.ts';
import { NodesController } from './controllers/nodes.controller.ts';
import { ProfilesController } from './controllers/profiles.controller.ts';
import { SignInController } from './controllers/sign-in.controller.ts';
import { SqlController } from './controllers/sql.controller.ts';
import type { Origins, SecureServer, TlsIdentity } from '@perfleet/http-guard';
import { answerClientError } from './http/client-error.ts';
import { methodGuard } from './http/method-guard.ts';
import { hostGuard } from './http/host-guard.ts';
import { startIngest, type Ingest, type IngestSettings } from './ingest/start-ingest.ts';
import { pusher } from './ingest/pusher.ts';
import { INGEST_LIMITS } from './ingest/limits.ts';
import { serveOtlpHttp } from './ingest/otlp-http.ts';
import { servePyroscopeIngest } from './ingest/pyroscope-ingest.ts';
import { ErrorFilter } from './http/error-filter.ts';
import { serverSettings } from './http/server-settings.ts';
import { hasWebFiles, securityHeaders, serveWebFiles } from './http/web-files.ts';
import { ApiMetrics } from './metrics.ts';
import { NodeQueries } from './nodes/node-queries.ts';
import { profileSource, type ProfileSource } from './pyroscope/profile-source.ts';
import { querier } from './pyroscope/querier.ts';
import { RenderController } from './pyroscope/render.controller.ts';
import { ProfileQueries } from './queries/profile-queries.ts';
import { StoreDb } from './queries/store-db.ts';
import { serveSql } from './sql/clickhouse-port.ts';
import { SqlService } from './sql/sql-service.ts';
import { ALERTS, CONFIG, DB, LOGGER, METRICS, NODES, PROFILE_SOURCE, PROFILES, SIGN_IN, SQL } from './tokens.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly nodeState: NodeStateStore;
  /** Directory of the built web application; without it only the API answers. */
  readonly webRoot?: string;
  /** Default 127.0.0.1: whoever reaches the port may read every profile. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Where SQL is answered on ClickHouse's HTTP protocol; without it it is not. */
  readonly clickhousePort?: number | null;
  readonly logger: Logger;
  /** Where to register metrics; a registry of its own when absent. */
  readonly metrics?: Registry;
  readonly cluster?: string;
  /** Default none: whoever reaches the port may do everything. */
  readonly auth?: 'tokens' | 'none';
  /** With tokens: who knows them. Default: those of the node state store. */
  readonly verifier?: TokenVerifier;
  /** How people sign in on the page besides with a token; null = they do not. */
  readonly signIn?: SignIn | null;
  /** With tokens: whether `/metrics` is told to everybody. */
  readonly metricsPublic?: boolean;
  readonly callRates?: CallRates;
  /** Of every port; without it none has TLS. */
  readonly tls?: TlsIdentity | null;
  /** Host names besides addresses and localhost by which a browser may call, e.g. of an ingress. */
  readonly allowedHosts?: readonly string[];
  /** How other agents' profiles are received; without it they are not. */
  readonly ingest?: IngestSettings;
  /** Where changes of alerts are kept, so that a lost node state store loses none; without it they are not. */
  readonly alertLog?: AlertLog;
  /** Thresholds and receivers of alerts. */
  readonly alerts?: AlertSettings;
  readonly alertTiming?: Partial<AlertTiming>;
  /** For a request to arrive whole, on every port; `ARRIVAL_MS` when absent. */
  readonly arrivalMs?: number;
}

export interface StartedApi {
  readonly url: string;
  /** null = not open. */
  readonly otlpGrpcPort: number | null;
  readonly otlpHttpPort: number | null;
  readonly clickhouseUrl: string | null;
}

export interface Api {
  /** Resolves when requests are answered. @throws Error that names the address when it cannot be had */
  start(): Promise<StartedApi>;
  /** Ends open connections; the stores stay open, they belong to the caller. */
  stop(): Promise<void>;
  /** Who may call what, once it was started: the routes of the API's own port. */
  routes(): readonly GuardedRoute[];
}

/** Bytes of a request's body. */
const BODY_LIMIT = 1 << 20;

@Module({})
class ApiModule {}

export function createApi(options: ApiOptions): Api {
  let app: NestFastifyApplication | null = null;
  let ingest: Ingest | null = null;
  let clickhouse: ClickhouseHttp | null = null;
  let routes: readonly GuardedRoute[] = [];
  const db = new StoreDb(options.store);
  const settings = options.alerts ?? DEFAULT_ALERT_SETTINGS;
  const facts = new FactReader(options.nodeState, db, settings);
  const { nodeState, logger } = options;
  const publisher = options.alertLog ? new AlertPublisher(options.alertLog) : null;
  const archive = new AlertArchive(nodeState.alerts, () => facts.keptAlerts(), publisher, logger);
  const engine = new AlertEngine(nodeState, facts, settings, archive, logger, options.alertTiming);
  const onAction = (change: AlertChange) => void publisher?.send([change]).catch(() => undefined);
  const sql = new SqlService(options.store);
  const parts = { db, facts, engine, sql, alerts: new AlertService(nodeState, facts, settings, onAction) };
  const stop = async () => {
    await engine.stop();
    await app?.close();
    await ingest?.close();
    await clickhouse?.close(true);
    await publisher?.close();
    app = null;
    ingest = null;
    clickhouse = null;
  };
  return {
    async start() {
      const { host = '127.0.0.1', clickhousePort = null, tls = null, arrivalMs } = options;
      const origins: Origins = { host, allowedHosts: options.allowedHosts ?? [] };
      const metrics = options.metrics ?? new Registry();
      const known = options.verifier ?? createTokenVerifier({ store: nodeState.tokens });
      const verifier = options.auth === 'tokens' ? known : null;
      const access: Access = { verifier, limiter: new CallLimiter(options.callRates ?? DEFAULT_CALL_RATES) };
      if (options.ingest)
        ingest = await startIngest({ ...options.ingest, arrivalMs }, origins, access, options.logger, metrics, tls);
      ({ app, routes } = await build(options, parts, origins, access, metrics, ingest));
      try {
        await listening('--http-port', host, options.port, app.listen(options.port, host));
        tls?.follow?.(app.getHttpServer() as unknown as SecureServer);
        if (clickhousePort !== null) {
          const opened = serveSql(clickhousePort, origins, access, sql, logger, tls, arrivalMs);
          clickhouse = await listening('--clickhouse-port', host, clickhousePort, opened);
        }
      } catch (cause) {
        await stop();
        throw cause;
      }
      engine.start();
      const { grpcPort = null, httpPort = null } = ingest ?? {};
      return {
        url: urlOf(app, host, tls !== null),
        otlpGrpcPort: grpcPort,
        otlpHttpPort: httpPort,
        clickhouseUrl: clickhouse?.url ?? null,
      };
    },
    stop,
    routes: () => routes,
  };
}

interface Parts {
  readonly db: StoreDb;
  readonly facts: FactReader;
  readonly engine: AlertEngine;
  readonly sql: SqlService;
  readonly alerts: AlertService;
}

async function build(
  options: ApiOptions,
  parts: Parts,
  origins: Origins,
  access: Access,
  registry: Registry,
  ingest: Ingest | null,
): Promise<{ app: NestFastifyApplication; routes: readonly GuardedRoute[] }> {
  const { nodeState, logger, webRoot, tls, arrivalMs, signIn = null } = options;
  const { db, facts, engine, sql, alerts } = parts;
  const nodes = new NodeQueries(nodeState, db, facts);
  const profiles = new ProfileQueries(db);
  const source = profileSource(profiles);
  const metrics = new ApiMetrics({ nodes, facts, engine, alerts }, registry);
  const module = {
    module: ApiModule,
    controllers: [
      ...[ProfilesController, SqlController, NodesController, AlertsController, ConfigController],
      ...[HealthController, RenderController, ComparisonController, SignInController],
    ],
    providers: [
      { provide: DB, useValue: db },
      { provide: NODES, useValue: nodes },
      { provide: ALERTS, useValue: alerts },
      { provide: CONFIG, useValue: new ConfigService(nodeState) },
      { provide: LOGGER, useValue: logger },
      { provide: METRICS, useValue: metrics },
      { provide: PROFILES, useValue: profiles },
      { provide: PROFILE_SOURCE, useValue: source },
      { provide: SIGN_IN, useValue: signIn },
      { provide: SQL, useValue: sql },
    ],
  };
  // Connections of clients that keep theirs alive must not hold up the end.
  const adapter = new FastifyAdapter({
    ...serverSettings(tls, arrivalMs),
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true,
    clientErrorHandler: answerClientError,
    // What a name may be is said where it is used; the headers' limit holds for the address, too.
    routerOptions: { maxParamLength: 16_384 },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, abortOnError: false });
  const web = hasWebFiles(webRoot);
  app.useGlobalFilters(new ErrorFilter(logger, web));
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders(signIn?.reachable()));
    if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store');
  });
  fastify.addHook('onRequest', hostGuard(origins));
  const { metricsPublic = false } = options;
  // The adapter's own instance type has Nest's extensions, which a plugin does not need.
  const plain = fastify as unknown as FastifyInstance;
  const routes = guardRoutes(plain, { ...access, publicRoutes: ['/*', ...(metricsPublic ? ['/metrics'] : [])] });
  fastify.addHook('onRequest', methodGuard(routes));
  fastify.addHook('onResponse', async (request, reply) => {
    metrics.observe(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
  });
  await serveProtocols(plain, source, ingest, logger);
  if (web) await serveWebFiles(app, webRoot);
  else logger.warn({ webRoot }, 'the web application is not built: only the API is served; run npm run build');
  await app.init();
  return { app, routes };
}

/** The protocols of other tools, beside the REST API on the same port. */
async function serveProtocols(fastify: FastifyInstance, source: ProfileSource, ingest: Ingest | null, logger: Logger) {
  await serveConnect(fastify, {
    services: [QuerierService.typeName],
    access: { scope: 'read', limit: 'messages' },
    interceptors: [limitMessages],
    routes: (router) => void router.service(QuerierService, querier(source)),
    maxBytes: BODY_LIMIT,
    logger,
  });
  if (!ingest) return;
  const { service } = ingest;
  await serveConnect(fastify, {
    services: [PusherService.typeName],
    access: { scope: 'ingest' },
    routes: (router) => void router.service(PusherService, pusher(service)),
    maxBytes: INGEST_LIMITS.expandedBytes,
    logger,
  });
  await servePyroscopeIngest(fastify, service, logger);
  await serveOtlpHttp(fastify, service, logger);
}

/** @throws Error that names the address and the flag that chooses another one */
async function listening<T>(flag: string, host: string, port: number, opened: Promise<T>): Promise<T> {
  try {
    return await opened;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot listen on ${host}:${port} (${why}); choose another port with ${flag}`, { cause });
  }
}

function urlOf(app: NestFastifyApplication, host: string, secure: boolean): string {
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `${secure ? 'https' : 'http'}://${shown}:${port}`;
}
