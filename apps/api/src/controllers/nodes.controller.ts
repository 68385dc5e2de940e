import { Controller, Get, Inject, Param } from '@nestjs/common';
import { openApiDocument } from '../http/openapi.ts';
import type { NodeQueries } from '../nodes/node-queries.ts';
import { NODES } from '../tokens.ts';

@Controller('api')
export class NodesController {
  constructor(@Inject(NODES) private readonly nodes: NodeQueries) {}

  @Get('v1/nodes')
  list() {
    return this.nodes.list();
  }

  @Get('v1/nodes/:id')
  get(@Param('id') id: string) {
    return this.nodes.get(id);
  }

  @Get(['openapi.json', 'v1/openapi.json'])
  openApi() {
    return openApiDocument;
  }
}
