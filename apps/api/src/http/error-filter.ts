import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { ErrorResponse } from '@perfleet/api-contract';
import type { Logger } from '@perfleet/observability';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './api-error.ts';
import { wantsPage } from './web-files.ts';

/** Every error answer is an `ErrorResponse`; a page that does not exist is the web application's to show. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly hasWeb: boolean,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent || reply.raw.destroyed) return;
    const { status, body } = this.answer(error);
    if (status === 404 && this.hasWeb && wantsPage(request)) {
      void reply.header('cache-control', 'no-cache').sendFile('index.html');
      return;
    }
    if (status >= 500)
      this.logger.error({ path: request.url.split('?')[0], status, error: body.error.message }, 'request failed');
    void reply.status(status).header('cache-control', 'no-store').send(body);
  }

  private answer(error: unknown): { status: number; body: ErrorResponse } {
    if (error instanceof ApiError) return { status: error.status, body: error.toBody() };
    const status = error instanceof HttpException ? error.getStatus() : statusOf(error);
    if (status === 404)
      return { status, body: { error: { code: 'not-found', message: 'there is nothing at this address' } } };
    const message = error instanceof Error ? error.message : String(error);
    if (status < 500) return { status, body: { error: { code: 'bad-request', message } } };
    this.logger.error({ error: error instanceof Error ? error.stack : message }, 'bug');
    return {
      status,
      body: { error: { code: 'internal', message: 'an error inside the API; its log has the details' } },
    };
  }
}

/** Fastify's own errors (body too large, not JSON) carry their status. */
function statusOf(error: unknown): number {
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}
