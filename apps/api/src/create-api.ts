import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Store } from '@perfleet/clickhouse';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { QuerierService } from '@perfleet/pyroscope';
import { serveConnect } from './connect/serve-connect.ts';
import { HealthController } from './controllers/health.controller.ts';
import { NodesController } from './controllers/nodes.controller.ts';
import { ProfilesController } from './controllers/profiles.controller.ts';
import { SqlController } from './controllers/sql.controller.ts';
import { ErrorFilter } from './http/error-filter.ts';
import { hasWebFiles, SECURITY_HEADERS, serveWebFiles } from './http/web-files.ts';
import { ApiMetrics } from './metrics.ts';
import { NodeQueries } from './nodes/node-queries.ts';
import { profileSource } from './pyroscope/profile-source.ts';
import { querier } from './pyroscope/querier.ts';
import { RenderController } from './pyroscope/render.controller.ts';
import { ProfileQueries } from './queries/profile-queries.ts';
import { StoreDb } from './queries/store-db.ts';
import { SqlService } from './sql/sql-service.ts';
import { DB, METRICS, NODES, PROFILE_SOURCE, PROFILES, SQL } from './tokens.ts';

export interface ApiOptions {
  readonly store: Store;
  readonly nodeState: NodeStateStore;
  /** Directory of the built web application; without it only the API answers. */
  readonly webRoot?: string;
  /** Default 127.0.0.1: whoever reaches the port may read every profile. */
  readonly host?: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly logger: Logger;
  /** Where to register metrics; a registry of its own when absent. */
  readonly metrics?: Registry;
  readonly cluster?: string;
}

export interface Api {
  /** Resolves when requests are answered. @throws Error that names the address when it cannot be had */
  start(): Promise<{ url: string }>;
  /** Ends open connections; the stores stay open, they belong to the caller. */
  stop(): Promise<void>;
}

/** Bytes of a request's body. */
const BODY_LIMIT = 1 << 20;

@Module({})
class ApiModule {}

export function createApi(options: ApiOptions): Api {
  let app: NestFastifyApplication | null = null;
  return {
    async start() {
      app = await build(options);
      const host = options.host ?? '127.0.0.1';
      try {
        await app.listen(options.port, host);
      } catch (cause) {
        await app.close();
        app = null;
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new Error(`cannot listen on ${host}:${options.port} (${why}); choose another port with --http-port`, {
          cause,
        });
      }
      return { url: urlOf(app, host) };
    },
    async stop() {
      await app?.close();
      app = null;
    },
  };
}

async function build(options: ApiOptions): Promise<NestFastifyApplication> {
  const { store, nodeState, logger, webRoot } = options;
  const db = new StoreDb(store);
  const nodes = new NodeQueries(nodeState, db);
  const profiles = new ProfileQueries(db);
  const source = profileSource(profiles);
  const metrics = new ApiMetrics(nodes, options.metrics);
  const module = {
    module: ApiModule,
    controllers: [ProfilesController, SqlController, NodesController, HealthController, RenderController],
    providers: [
      { provide: DB, useValue: db },
      { provide: NODES, useValue: nodes },
      { provide: METRICS, useValue: metrics },
      { provide: PROFILES, useValue: profiles },
      { provide: PROFILE_SOURCE, useValue: source },
      { provide: SQL, useValue: new SqlService(store) },
    ],
  };
  // Connections of clients that keep theirs alive must not hold up the end.
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true,
    // Names of nodes have up to 253 characters, three times that when escaped.
    routerOptions: { maxParamLength: 1024 },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, { logger: false, abortOnError: false });
  const web = hasWebFiles(webRoot);
  app.useGlobalFilters(new ErrorFilter(logger, web));
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    if (request.url.startsWith('/api/')) reply.header('cache-control', 'no-store');
  });
  fastify.addHook('onResponse', async (request, reply) => {
    metrics.observe(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
  });
  await serveConnect(fastify as unknown as FastifyInstance, {
    services: [QuerierService.typeName],
    routes: (router) => void router.service(QuerierService, querier(source)),
    maxBytes: BODY_LIMIT,
    logger,
  });
  if (web) await serveWebFiles(app, webRoot);
  else logger.warn({ webRoot }, 'the web application is not built: only the API is served; run npm run build');
  await app.init();
  return app;
}

function urlOf(app: NestFastifyApplication, host: string): string {
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${port}`;
}
