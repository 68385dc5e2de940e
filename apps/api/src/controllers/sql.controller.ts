import { Body, Controller, HttpCode, Inject, Post, Req, Res } from '@nestjs/common';
import type { SqlRequest, SqlResponse } from '@perfleet/api-contract';
import type { Logger } from '@perfleet/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../access/caller.ts';
import { Access } from '../access/route-access.ts';
import { clientSignal } from '../http/client-signal.ts';
import { audited } from '../sql/audit.ts';
import type { SqlService } from '../sql/sql-service.ts';
import { LOGGER, SQL } from '../tokens.ts';

@Controller('api/v1')
export class SqlController {
  constructor(
    @Inject(SQL) private readonly sql: SqlService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  // The service keeps tokens with labels within them.
  @Access('sql', 'none')
  @Post('sql')
  @HttpCode(200)
  run(
    @Body() body: SqlRequest,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SqlResponse> {
    const signal = clientSignal(reply);
    const caller = callerOf(request.raw);
    return audited(
      this.logger,
      caller.name,
      (body as Partial<SqlRequest> | undefined)?.query,
      () => this.sql.run(body, caller, signal),
      ({ rows }) => ({ rows: rows.length }),
    );
  }
}
