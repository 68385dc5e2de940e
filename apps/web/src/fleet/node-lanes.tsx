import { RUNG_NAMES, type NodeTimelineResponse, type TimelineState } from '@perfleet/api-contract';
import { compact } from '../format.ts';
import { segmentsOf } from './lanes.ts';
import { CLASS_COLORS } from './node-colors.ts';

const WIDTH = 1000;
const LANE = 22;
const GAP = 8;
const BARS = 64;
const LABEL = 78;

const RUNG_COLORS: Readonly<Record<number, string>> = { 1: '#1f7a5a', 2: '#9d5bd2', 3: '#7b2cbf', 4: '#f03e4d' };

/** What samples are attributed to, from the best downwards in the stack. */
const PARTS = [
  ['pod', 'pod', '#2a9d74'],
  ['container', 'container', '#2f6fa8'],
  ['host', 'host', '#56657f'],
  ['nothing', 'nothing', '#ffb224'],
  ['lost', 'lost', '#f03e4d'],
] as const;

/** Lanes over one time axis: mode, rung, rate, events, and the coverage of samples. */
export function NodeLanes({ line }: { line: NodeTimelineResponse }) {
  const { from, until, coverage } = line;
  const x = (time: number) => LABEL + ((time - from) / (until - from)) * (WIDTH - LABEL);
  const top = (lane: number) => lane * (LANE + GAP);
  const coverageTop = top(4) + 4;
  const height = coverageTop + BARS + 22;
  return (
    <figure className="lanes">
      <svg viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label="Mode, rung, rate, events and coverage over time">
        <Lane
          name="mode"
          y={top(0)}
          line={line}
          x={x}
          color={modeColor}
          text={(s) => s.mode + (s.fallback ? ' (fallback)' : '')}
        />
        <Lane
          name="rung"
          y={top(1)}
          line={line}
          x={x}
          color={(s) => RUNG_COLORS[s.rung] ?? '#888'}
          text={(s) => `${s.rung}: ${RUNG_NAMES[s.rung]}`}
        />
        <Lane name="rate" y={top(2)} line={line} x={x} color={() => 'var(--rate)'} text={(s) => `${s.rateHz} Hz`} />
        <text className="lane-name" x={0} y={top(3) + 15}>
          events
        </text>
        <line className="lane-base" x1={LABEL} x2={WIDTH} y1={top(3) + LANE / 2} y2={top(3) + LANE / 2} />
        {line.events.map((event, i) => (
          <circle
            key={i}
            className={`event ${eventLevel(event.kind)}`}
            cx={x(event.time)}
            cy={top(3) + LANE / 2}
            r={4.5}
          >
            <title>{`${new Date(event.time).toLocaleString()}  ${event.kind}\n${event.message}`}</title>
          </circle>
        ))}
        <text className="lane-name" x={0} y={coverageTop + 15}>
          coverage
        </text>
        <Coverage coverage={coverage} x={x} top={coverageTop} />
        <Axis from={from} until={until} x={x} y={height - 4} />
      </svg>
      <figcaption className="legend">
        {PARTS.map(([key, name, color]) => {
          const all = PARTS.reduce((sum, [part]) => sum + total(coverage[part]), 0);
          return (
            <span key={key}>
              <i style={{ background: color }} /> {name}{' '}
              {all > 0 && <b>{((100 * total(coverage[key])) / all).toFixed(1)} %</b>}
            </span>
          );
        })}
      </figcaption>
    </figure>
  );
}

function Lane({
  name,
  y,
  line,
  x,
  color,
  text,
}: {
  name: string;
  y: number;
  line: NodeTimelineResponse;
  x: (time: number) => number;
  color: (state: TimelineState) => string;
  text: (state: TimelineState) => string;
}) {
  return (
    <g>
      <text className="lane-name" x={0} y={y + 15}>
        {name}
      </text>
      {segmentsOf(line, text).map(({ from, until, state }) => {
        const width = Math.max(1, x(until) - x(from));
        const label = state ? text(state) : 'not running';
        return (
          <g key={from}>
            <rect
              className={state ? '' : 'unknown'}
              x={x(from)}
              y={y}
              width={width}
              height={LANE}
              rx={3}
              fill={state ? color(state) : undefined}
            >
              <title>{`${label}\n${new Date(from).toLocaleString()} – ${new Date(until).toLocaleString()}`}</title>
            </rect>
            <text className="lane-text" x={x(from) + 7} y={y + 15}>
              {[label, /\((.*)\)/.exec(label)?.[1] ?? ''].find((fit) => width > fit.length * 7 + 12)}
            </text>
          </g>
        );
      })}
    </g>
  );
}

function Coverage({
  coverage,
  x,
  top,
}: {
  coverage: NodeTimelineResponse['coverage'];
  x: (time: number) => number;
  top: number;
}) {
  const { step, times } = coverage;
  const sums = times.map((_, i) => PARTS.reduce((sum, [part]) => sum + coverage[part][i]!, 0));
  const most = Math.max(1, ...sums);
  return (
    <g>
      {times.map((time, i) => {
        const left = Math.max(LABEL, x(time));
        const width = Math.max(1, x(time + step * 1000) - left - 1);
        let y = top + BARS;
        const tip = PARTS.map(([part, name]) => `${name} ${compact(coverage[part][i]!)}`).join(' · ');
        return (
          <g key={time}>
            {PARTS.map(([part, , color]) => {
              const height = (coverage[part][i]! / most) * BARS;
              y -= height;
              return height > 0 ? <rect key={part} x={left} y={y} width={width} height={height} fill={color} /> : null;
            })}
            <rect x={left} y={top} width={width} height={BARS} fill="transparent">
              <title>{`${new Date(time).toLocaleTimeString()}  ${tip}`}</title>
            </rect>
          </g>
        );
      })}
      <line className="lane-base" x1={LABEL} x2={WIDTH} y1={top + BARS} y2={top + BARS} />
    </g>
  );
}

function Axis({ from, until, x, y }: { from: number; until: number; x: (time: number) => number; y: number }) {
  const long = until - from > 36 * 3_600_000;
  const text = (time: number) =>
    long
      ? new Date(time).toLocaleDateString([], { month: 'short', day: 'numeric', hour: '2-digit' })
      : new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return (
    <g>
      {[0, 0.25, 0.5, 0.75, 1].map((share) => {
        const time = from + share * (until - from);
        return (
          <text
            key={share}
            className="axis"
            x={x(time)}
            y={y}
            textAnchor={share === 0 ? 'start' : share === 1 ? 'end' : 'middle'}
          >
            {text(time)}
          </text>
        );
      })}
    </g>
  );
}

function modeColor(state: TimelineState): string {
  return state.fallback ? CLASS_COLORS.fallback : CLASS_COLORS[state.mode];
}

function eventLevel(kind: string): string {
  if (kind === 'sampler-crashed' || kind === 'unclean-exit') return 'crash';
  return kind === 'started' || kind === 'stopped' ? 'life' : 'change';
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
