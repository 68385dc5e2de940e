import { Body, Controller, Get, Headers, Inject, Put, Query, Res } from '@nestjs/common';
import type { ConfigResponse } from '@perfleet/api-contract';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import type { ConfigService } from '../config/config-service.ts';
import { integer, text, type RawQuery } from '../http/params.ts';
import { CONFIG } from '../tokens.ts';

@Controller('api/v1/config')
export class ConfigController {
  constructor(@Inject(CONFIG) private readonly config: ConfigService) {}

  @Access('read')
  @Get()
  async get(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    return tagged(reply, await this.config.get(text(raw, 'node')?.slice(0, 253)));
  }

  @Access('admin')
  @Put()
  async put(
    @Body() body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    return tagged(reply, await this.config.put(body, ifMatch));
  }

  @Access('read')
  @Get('history')
  history(@Query() raw: RawQuery) {
    return this.config.history(integer(raw, 'limit', 20, 1, 100));
  }
}

function tagged(reply: FastifyReply, answer: ConfigResponse): ConfigResponse {
  void reply.header('etag', `"${answer.version}"`);
  return answer;
}
