import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import type { NodeQueries } from '../nodes/node-queries.ts';
import type { ApiMetrics } from '../metrics.ts';
import type { Db } from '../queries/db.ts';
import { DB, METRICS, NODES } from '../tokens.ts';

/** Seconds that a part may take to answer before the API counts as not ready. */
const READY_SECONDS = 5;

@Controller()
export class HealthController {
  constructor(
    @Inject(DB) private readonly db: Db,
    @Inject(NODES) private readonly nodes: NodeQueries,
    @Inject(METRICS) private readonly metrics: ApiMetrics,
  ) {}

  @Access('public')
  @Get('livez')
  live() {
    return { status: 'ok' };
  }

  /** Ready when both stores answer; 503 names the one that does not. */
  @Access('public')
  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const parts = {
      store: () => this.db.ask('SELECT 1', {}, { seconds: READY_SECONDS }),
      nodeState: () => this.nodes.entries(),
    };
    const checks = await Promise.all(
      Object.entries(parts).map(async ([name, check]) => [name, await within(READY_SECONDS * 1000, check)] as const),
    );
    const ready = checks.every(([, answer]) => answer === 'ok');
    if (!ready) void reply.status(503);
    return { status: ready ? 'ok' : 'not ready', ...Object.fromEntries(checks) };
  }

  @Access('read')
  @Get('metrics')
  async scrape(@Res() reply: FastifyReply) {
    const text = await this.metrics.text();
    void reply.header('content-type', this.metrics.contentType).send(text);
  }
}

async function within(ms: number, check: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${ms} ms`), ms);
  });
  try {
    return await Promise.race([check().then(() => 'ok'), late]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
