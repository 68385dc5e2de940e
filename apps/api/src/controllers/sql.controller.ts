import { Body, Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import type { SqlRequest, SqlResponse } from '@perfleet/api-contract';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { clientSignal } from '../http/client-signal.ts';
import type { SqlService } from '../sql/sql-service.ts';
import { SQL } from '../tokens.ts';

@Controller('api/v1')
export class SqlController {
  constructor(@Inject(SQL) private readonly sql: SqlService) {}

  @Access('sql')
  @Post('sql')
  @HttpCode(200)
  run(@Body() body: SqlRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<SqlResponse> {
    return this.sql.run(body, clientSignal(reply));
  }
}
