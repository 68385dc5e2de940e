import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { DIFF_BY, EXPORT_FORMATS, MERGE_BY } from '@perfleet/api-contract';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { clientSignal } from '../http/client-signal.ts';
import { jsonBytes } from '../http/json-bytes.ts';
import { flag, functionName, integer, oneOf, pattern, range, selector, text, type RawQuery } from '../http/params.ts';
import { parseRange } from '../http/time.ts';
import { queryLabels, queryLabelValues, queryProfileTypes } from '../queries/labels.ts';
import { DEFAULT_NODES, MAX_NODES, type ProfileQueries } from '../queries/profile-queries.ts';
import { defaultStep } from '../queries/series.ts';
import { queryUnresolvedBinaries } from '../queries/unresolved.ts';
import { PROFILES } from '../tokens.ts';

@Controller('api/v1')
export class ProfilesController {
  constructor(@Inject(PROFILES) private readonly profiles: ProfileQueries) {}

  @Access('read', 'none')
  @Get('labels')
  labels(@Res({ passthrough: true }) reply: FastifyReply) {
    return queryLabels(this.profiles.db, { signal: clientSignal(reply) });
  }

  @Access('read', ['query'])
  @Get('labels/:name/values')
  values(@Param('name') name: string, @Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const limit = integer(raw, 'limit', 1000, 1, 10_000);
    const options = { signal: clientSignal(reply) };
    return queryLabelValues(this.profiles.db, name, selector(raw), range(raw, Date.now()), limit, options);
  }

  @Access('read', 'none')
  @Get('profile-types')
  types(@Res({ passthrough: true }) reply: FastifyReply) {
    return queryProfileTypes(this.profiles.db, { signal: clientSignal(reply) });
  }

  @Access('read', ['query'])
  @Get('flamegraph')
  async flameGraph(@Query() raw: RawQuery, @Res() reply: FastifyReply) {
    const maxNodes = integer(raw, 'maxNodes', DEFAULT_NODES, 2, MAX_NODES);
    const focus = pattern(raw, 'focus');
    const ignore = pattern(raw, 'ignore');
    const shape = {
      ...(focus && { focus }),
      ...(ignore && { ignore }),
      invert: flag(raw, 'invert'),
      mergeBy: oneOf(raw, 'merge', MERGE_BY, 'function'),
    };
    const options = { signal: clientSignal(reply) };
    const answer = await this.profiles.flameGraph(selection(raw), maxNodes, options, shape);
    void reply.type('application/json; charset=utf-8').send(jsonBytes(answer));
  }

  @Access('read', ['query'])
  @Get('top')
  top(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const limit = integer(raw, 'limit', 100, 1, 10_000);
    return this.profiles.top(selection(raw), limit, { signal: clientSignal(reply) });
  }

  @Access('read', ['query'])
  @Get('unresolved-binaries')
  unresolvedBinaries(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const limit = integer(raw, 'limit', 100, 1, 10_000);
    return queryUnresolvedBinaries(this.profiles.db, selection(raw), limit, { signal: clientSignal(reply) });
  }

  @Access('read', ['query'])
  @Get('series')
  series(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const of = selection(raw);
    const step = integer(raw, 'step', defaultStep(of.range), 1, 31_536_000);
    const limit = integer(raw, 'limit', 20, 1, 100);
    const what = { by: text(raw, 'by'), function: functionName(raw, 'function') };
    return this.profiles.timeSeries({ ...of, ...what, step, limit }, { signal: clientSignal(reply) });
  }

  @Access('read', ['query', 'baseQuery'])
  @Get('diff')
  diff(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const of = selection(raw);
    const base = {
      selector: text(raw, 'baseQuery') === undefined ? of.selector : selector(raw, 'baseQuery'),
      range: parseRange(
        text(raw, 'baseFrom') ?? text(raw, 'from'),
        text(raw, 'baseUntil') ?? text(raw, 'until'),
        Date.now(),
        'base ',
      ),
    };
    const limit = integer(raw, 'limit', 100, 1, 10_000);
    const by = oneOf(raw, 'by', DIFF_BY, 'share');
    return this.profiles.diff(base, of, by, limit, { signal: clientSignal(reply) });
  }

  @Access('read', ['query'])
  @Get('export')
  async export(@Query() raw: RawQuery, @Res() reply: FastifyReply) {
    const format = oneOf(raw, 'format', EXPORT_FORMATS, 'pprof');
    const { body, mediaType, fileName } = await this.profiles.export(selection(raw), format, {
      signal: clientSignal(reply),
    });
    void reply
      .header('content-type', mediaType)
      .header('content-disposition', `attachment; filename="${fileName}"`)
      .send(typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  }
}

function selection(raw: RawQuery) {
  return { selector: selector(raw), range: range(raw, Date.now()) };
}
