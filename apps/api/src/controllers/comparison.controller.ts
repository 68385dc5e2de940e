import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import { COMPARE_PER } from '@perfleet/api-contract';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { badRequest } from '../http/api-error.ts';
import { clientSignal } from '../http/client-signal.ts';
import { integer, oneOf, range, selector, text, type RawQuery } from '../http/params.ts';
import { parseRange } from '../http/time.ts';
import { withLabel } from '../queries/compare.ts';
import { defaultHeatmapStep, MAX_BUCKETS } from '../queries/heatmap.ts';
import type { ProfileQueries } from '../queries/profile-queries.ts';
import { PROFILES } from '../tokens.ts';

@Controller('api/v1')
export class ComparisonController {
  constructor(@Inject(PROFILES) private readonly profiles: ProfileQueries) {}

  @Access('read', ['query'])
  @Get('heatmap')
  heatmap(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const of = { selector: selector(raw), range: range(raw, Date.now()) };
    const step = integer(raw, 'step', defaultHeatmapStep(of.range), 1, 31_536_000);
    const buckets = integer(raw, 'buckets', 20, 1, MAX_BUCKETS);
    return this.profiles.heatmap({ ...of, step, buckets, by: text(raw, 'by') }, { signal: clientSignal(reply) });
  }

  @Access('read', ['query', 'baseQuery'])
  @Get('compare')
  compare(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    const per = oneOf(raw, 'per', COMPARE_PER, 'cpu');
    const limit = integer(raw, 'limit', 20, 0, 10_000);
    return this.profiles.compare({ ...sides(raw), per, limit }, { signal: clientSignal(reply) });
  }
}

/** Two values of one label, two selectors, or two times of one selector. */
function sides(raw: RawQuery) {
  const now = Date.now();
  const [label, base, other] = ['label', 'base', 'with'].map((name) => text(raw, name));
  const all = { selector: selector(raw), range: range(raw, now) };
  const before = {
    selector: text(raw, 'baseQuery') === undefined ? all.selector : selector(raw, 'baseQuery'),
    range: parseRange(
      text(raw, 'baseFrom') ?? text(raw, 'from'),
      text(raw, 'baseUntil') ?? text(raw, 'until'),
      now,
      'base ',
    ),
  };
  if (label === undefined && base === undefined && other === undefined) {
    if (['baseQuery', 'baseFrom', 'baseUntil'].every((name) => text(raw, name) === undefined))
      throw badRequest('say what to compare with: label, base and with; or baseQuery; or baseFrom and baseUntil');
    return { base: before, with: all };
  }
  if (label === undefined || base === undefined || other === undefined)
    throw badRequest('label, base and with go together: a label and two of its values');
  return {
    base: { ...before, selector: withLabel(before.selector, label, base) },
    with: { ...all, selector: withLabel(all.selector, label, other) },
  };
}
