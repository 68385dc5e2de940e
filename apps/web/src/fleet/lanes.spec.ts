import type { TimelineState } from '@perfleet/api-contract';
import { expect, it } from 'vitest';
import { segmentsOf } from './lanes.ts';

const s = (rung: number): TimelineState => ({ mode: 'pods', fallback: false, rung, rateHz: 19 });
const event = (time: number, kind: string, state: TimelineState | null) => ({
  time,
  kind,
  state,
  message: '',
  epoch: '',
});
const run = (before: TimelineState | null, ...events: ReturnType<typeof event>[]) =>
  segmentsOf({ from: 0, until: 100, before, events }, (state) => state.rung).map((x) => [
    x.from,
    x.until,
    x.state?.rung ?? null,
  ]);

it('covers the whole range, also without events', () => {
  expect(run(null)).toEqual([[0, 100, null]]);
  expect(run(s(1))).toEqual([[0, 100, 1]]);
});

it('changes at events that change something, and only there', () => {
  expect(
    run(s(1), event(10, 'sampler-crashed', s(1)), event(20, 'rung-changed', s(2)), event(30, 'note', null)),
  ).toEqual([
    [0, 20, 1],
    [20, 100, 2],
  ]);
});

it('does not cut a lane at what it does not show', () => {
  const line = { from: 0, until: 100, before: s(1), events: [event(50, 'rung-changed', s(2))] };
  expect(segmentsOf(line, (state) => state.rateHz)).toEqual([{ from: 0, until: 100, state: s(1) }]);
});

it('knows nothing between a stop and the next start', () => {
  expect(run(s(1), event(40, 'stopped', s(1)), event(60, 'started', s(1)))).toEqual([
    [0, 40, 1],
    [40, 60, null],
    [60, 100, 1],
  ]);
});
