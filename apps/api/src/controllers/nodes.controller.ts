import { Controller, Delete, Get, Inject, Param, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { notFound } from '../http/api-error.ts';
import { clientSignal } from '../http/client-signal.ts';
import { openApiDocument } from '@perfleet/api-contract/openapi';
import { range, type RawQuery } from '../http/params.ts';
import type { NodeQueries } from '../nodes/node-queries.ts';
import { NODES } from '../tokens.ts';

/** Characters, as DNS has it. */
const MAX_NODE_NAME = 253;

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
    if (id.length > MAX_NODE_NAME) throw notFound('no node has a name so long');
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
