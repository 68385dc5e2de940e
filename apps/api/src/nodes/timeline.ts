import type { FleetMode, NodeTimelineResponse, TimelineState } from '@perfleet/api-contract';
import { FLEET_MODES } from '@perfleet/api-contract';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from '../queries/db.ts';

/** Newest events of the range that are listed. */
export const MAX_EVENTS = 2000;
const STEPS = 120;
/** Ranges that are no longer, in seconds, are told window by window. */
const BY_WINDOW = 900;

const STATE = `JSONExtractString(state, 'mode'), JSONExtractBool(state, 'fallback'), JSONExtractUInt(state, 'rung'), JSONExtractFloat(state, 'rateHz')`;

/** What happened to one node, from its events and from the coverage view. */
export async function queryTimeline(
  db: Db,
  node: string,
  range: TimeRange,
  options: AskOptions,
): Promise<NodeTimelineResponse> {
  const { from, until } = range;
  const params = { node, from, until };
  const [events, before, coverage] = await Promise.all([
    db.ask(
      `SELECT toUnixTimestamp64Milli(time), kind, message, epoch, ${STATE} FROM node_events
WHERE node = {node:String} AND time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')
ORDER BY time DESC LIMIT ${MAX_EVENTS + 1}`,
      params,
      options,
    ),
    db.ask(
      `SELECT ${STATE} FROM node_events WHERE node = {node:String} AND state != '' AND time < toDateTime({from:UInt32}, 'UTC')
ORDER BY time DESC LIMIT 1`,
      params,
      options,
    ),
    coverageOf(db, node, range, options),
  ]);
  const listed = events.rows.slice(0, MAX_EVENTS).reverse();
  return {
    from: from * 1000,
    until: until * 1000,
    before: before.rows[0] ? stateOf(before.rows[0]) : null,
    events: listed.map(([time, kind, message, epoch, ...state]) => ({
      time: Number(time),
      kind: String(kind),
      message: String(message),
      epoch: String(epoch),
      state: stateOf(state),
    })),
    truncated: events.rows.length > MAX_EVENTS,
    coverage,
  };
}

async function coverageOf(db: Db, node: string, { from, until }: TimeRange, options: AskOptions) {
  const windows = until - from <= BY_WINDOW;
  const step = windows ? 1 : Math.max(60, Math.ceil((until - from) / STEPS / 60) * 60);
  const { rows } = await db.ask(
    `SELECT intDiv(toUnixTimestamp(time), {step:UInt32}) * {step:UInt32} AS t, sum(pod), sum(container), sum(host), sum(nothing), sum(lost)
FROM ${windows ? 'coverage_windows' : 'coverage'} WHERE node = {node:String} AND time >= toDateTime({from:UInt32}, 'UTC') AND time < toDateTime({until:UInt32}, 'UTC')
GROUP BY t ORDER BY t`,
    { node, from, until, step },
    options,
  );
  const column = (i: number) => rows.map((row) => Number(row[i]));
  const times = column(0);
  return {
    step: windows ? shortestGap(times) : step,
    times: times.map((seconds) => seconds * 1000),
    ...{ pod: column(1), container: column(2), host: column(3), nothing: column(4), lost: column(5) },
  };
}

/** Length of windows, by when they began, ascending, in seconds. */
function shortestGap(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  return gaps.length === 0 ? 1 : Math.min(...gaps);
}

/** @param row mode, fallback, rung, rate as `STATE` selects them; without a state they are empty */
function stateOf(row: readonly unknown[]): TimelineState | null {
  const [mode, fallback, rung, rateHz] = row;
  if (!FLEET_MODES.includes(mode as FleetMode)) return null;
  return {
    mode: mode as FleetMode,
    fallback: fallback === true || fallback === 1,
    rung: Number(rung),
    rateHz: Number(rateHz),
  };
}
