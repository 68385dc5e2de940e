import { Controller, Delete, Get, Inject, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { clientSignal } from '../http/client-signal.ts';
import { openApiDocument } from '../http/openapi.ts';
import { range, type RawQuery } from '../http/params.ts';
import type { NodeQueries } from '../nodes/node-queries.ts';
import { NODES } from '../tokens.ts';

@Controller('api')
export class NodesController {
  constructor(@Inject(NODES) private readonly nodes: NodeQueries) {}

  @Access('read')
  @Get('v1/nodes')
  list() {
    return this.nodes.list();
  }

  @Access('read')
  @Get('v1/nodes/:id')
  get(@Param('id') id: string) {
    return this.nodes.get(id);
  }

  @Access('admin')
  @Delete('v1/nodes/:id')
  remove(@Param('id') id: string) {
    return this.nodes.remove(id);
  }

  @Access('read')
  @Get('v1/nodes/:id/timeline')
  timeline(@Param('id') id: string, @Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    return this.nodes.timeline(id, range(raw, Date.now()), clientSignal(reply));
  }

  @Access('read')
  @Get('v1/fleet')
  fleet() {
    return this.nodes.fleet();
  }

  @Access('read')
  @Get('v1/fleet/causes')
  causes() {
    return this.nodes.causes();
  }

  @Access('read', 'none')
  @Get(['openapi.json', 'v1/openapi.json'])
  openApi() {
    return openApiDocument;
  }
}
