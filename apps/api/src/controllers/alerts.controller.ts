import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import type { AlertService } from '../alerts/alert-service.ts';
import { clientSignal } from '../http/client-signal.ts';
import { integer, type RawQuery } from '../http/params.ts';
import { ALERTS } from '../tokens.ts';

@Controller('api/v1')
export class AlertsController {
  constructor(@Inject(ALERTS) private readonly alerts: AlertService) {}

  @Access('read')
  @Get('alerts')
  list(@Res({ passthrough: true }) reply: FastifyReply) {
    return this.alerts.list(clientSignal(reply));
  }

  @Access('read')
  @Get('alerts/history')
  history(@Query() raw: RawQuery) {
    return this.alerts.history(integer(raw, 'limit', 200, 1, 10_000));
  }

  @Access('admin')
  @Post('alerts/:id/acknowledge')
  @HttpCode(200)
  acknowledge(@Param('id') id: string, @Body() body: unknown) {
    return this.alerts.acknowledge(id, body);
  }

  @Access('admin')
  @Delete('alerts/:id/acknowledge')
  unacknowledge(@Param('id') id: string) {
    return this.alerts.unacknowledge(id);
  }

  @Access('read')
  @Get('silences')
  silences() {
    return this.alerts.silences();
  }

  @Access('admin')
  @Post('silences')
  @HttpCode(200)
  silence(@Body() body: unknown) {
    return this.alerts.silence(body);
  }

  @Access('admin')
  @Delete('silences/:id')
  unsilence(@Param('id') id: string) {
    return this.alerts.unsilence(id);
  }
}
