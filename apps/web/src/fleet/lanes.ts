import type { NodeTimelineResponse, TimelineState } from '@perfleet/api-contract';

/** A stretch of time in which a node did not change. null = nothing is known. */
export interface Segment {
  readonly from: number;
  readonly until: number;
  readonly state: TimelineState | null;
}

/**
 * States over time as one lane shows them: each holds until an event tells of another value. After `stopped` nothing holds.
 * @param valueOf what the lane shows of a state
 */
export function segmentsOf(
  { from, until, before, events }: Pick<NodeTimelineResponse, 'from' | 'until' | 'before' | 'events'>,
  valueOf: (state: TimelineState) => unknown,
): Segment[] {
  const segments: Segment[] = [];
  let start = from;
  let state = before;
  const end = (at: number) => {
    if (at > start) segments.push({ from: start, until: at, state });
    start = Math.max(start, at);
  };
  for (const event of events) {
    const next = event.kind === 'stopped' ? null : (event.state ?? state);
    if (state && next ? valueOf(state) === valueOf(next) : state === next) continue;
    end(event.time);
    state = next;
  }
  end(until);
  return segments;
}
