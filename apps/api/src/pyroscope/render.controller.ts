import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import { flameLevels, NameTree, type FlameLevels } from '@perfleet/pyroscope';
import type { FastifyReply } from 'fastify';
import { Access } from '../access/route-access.ts';
import { badRequest } from '../http/api-error.ts';
import { clientSignal } from '../http/client-signal.ts';
import { integer, text, type RawQuery } from '../http/params.ts';
import { parseRange } from '../http/time.ts';
import { PROFILE_SOURCE } from '../tokens.ts';
import type { ProfileSource } from './profile-source.ts';
import { DEFAULT_NODES, queryOf } from './requests.ts';

/**
 * Pyroscope's older endpoints, which Grafana's Profiles Drilldown and scripts still call, in the format that they call
 * flamebearer (https://grafana.com/docs/pyroscope/latest/reference-server-api/#querying-profile-data).
 */
@Controller('pyroscope')
export class RenderController {
  constructor(@Inject(PROFILE_SOURCE) private readonly source: ProfileSource) {}

  @Access('read', ['query'])
  @Get('render')
  async render(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    onlyJson(raw);
    const { selector, range, typeId } = side(raw, '');
    const { unit, graph } = await this.source.flameGraph({ selector, range }, { signal: clientSignal(reply) });
    const levels = flameLevels(new NameTree().add(graph), maxNodes(raw));
    return { ...body(levels, 'single', unit, typeId), timeline: null };
  }

  /** `leftQuery`, `leftFrom`, `leftUntil` and the same of the right; what one side lacks is `query`, `from`, `until`. */
  @Access('read', ['query', 'leftQuery', 'rightQuery'])
  @Get('render-diff')
  async renderDiff(@Query() raw: RawQuery, @Res({ passthrough: true }) reply: FastifyReply) {
    onlyJson(raw);
    const options = { signal: clientSignal(reply) };
    const [left, right] = [side(raw, 'left'), side(raw, 'right')];
    const before = await this.source.flameGraph(left, options);
    const after = await this.source.flameGraph(right, options);
    const levels = flameLevels(new NameTree(2).add(before.graph, 0).add(after.graph, 1), maxNodes(raw));
    const [leftTicks, rightTicks] = levels.ticks;
    return { ...body(levels, 'double', after.unit || before.unit, left.typeId), leftTicks, rightTicks };
  }
}

function side(raw: RawQuery, prefix: '' | 'left' | 'right') {
  const named = (name: string) =>
    (prefix === '' ? undefined : text(raw, prefix + name)) ?? text(raw, name.toLowerCase());
  const query = named('Query');
  if (query === undefined) throw badRequest(`${prefix === '' ? 'query' : `${prefix}Query`} is missing`);
  return { ...queryOf(query), range: parseRange(named('From'), named('Until'), Date.now(), prefix && `${prefix} `) };
}

function onlyJson(raw: RawQuery): void {
  const format = text(raw, 'format') ?? 'json';
  if (format !== 'json') throw badRequest(`format ${format.slice(0, 50)} is not supported; leave it out or use json`);
}

function maxNodes(raw: RawQuery): number {
  const name = text(raw, 'max-nodes') === undefined ? 'maxNodes' : 'max-nodes';
  return integer(raw, name, DEFAULT_NODES, 0, 1_000_000) || DEFAULT_NODES;
}

function body(levels: FlameLevels, format: 'single' | 'double', unit: string, typeId: string) {
  return {
    version: 1,
    flamebearer: { names: levels.names, levels: levels.levels, numTicks: levels.total, maxSelf: levels.maxSelf },
    metadata: { format, spyName: 'unknown', sampleRate: 1_000_000_000, units: unitOf(unit), name: typeId },
  };
}

const UNITS: Readonly<Record<string, string>> = { nanoseconds: 'samples', count: 'objects', bytes: 'bytes' };

/** Times are samples at a rate of a thousand million a second, as Pyroscope states them. */
const unitOf = (unit: string) => (Object.hasOwn(UNITS, unit) ? UNITS[unit] : unit);
