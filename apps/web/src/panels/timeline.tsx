import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { api, dataOf } from '../api.ts';
import { amountOf, formatRate, formatValue } from '../format.ts';
import { usePolled } from '../use-polled.ts';
import type { RangeQuery } from './filters.tsx';

const HEIGHT = 54;
const BARS = 120;

/**
 * Seconds a bar stands for, so that about a hundred bars fill the range and each holds at least one window. From five minutes on whole
 * ten, which the store has summed up already.
 */
function stepFor(query: RangeQuery): number {
  const minutes = /^now-(\d+)m$/.exec(query.from);
  const seconds = minutes ? Number(minutes[1]) * 60 : Number(query.until) - Number(query.from);
  const step = Math.max(5, Math.ceil(seconds / BARS / 5) * 5);
  return step < 300 ? step : Math.round(step / 600) * 600;
}

/** The value over time (of CPU: in cores); dragging chooses a range. */
export function Timeline({
  type,
  query,
  everyMs,
  onSelect,
}: {
  type: string;
  query: RangeQuery;
  everyMs: number;
  onSelect: (from: number, until: number) => void;
}) {
  const step = stepFor(query);
  const { data } = usePolled(JSON.stringify(query), everyMs, (signal) =>
    dataOf(api.GET('/api/v1/series', { params: { query: { ...query, step } }, signal })),
  );
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const times = data?.times ?? [];
  const values = data?.series[0]?.values ?? [];
  const peak = Math.max(1, ...values);

  useEffect(() => {
    const element = canvas.current!;
    const ratio = window.devicePixelRatio || 1;
    const width = element.clientWidth;
    element.width = width * ratio;
    element.height = HEIGHT * ratio;
    const context = element.getContext('2d')!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const bar = width / Math.max(1, values.length);
    context.fillStyle = getComputedStyle(element).color;
    values.forEach((value, i) => {
      const height = (value / peak) * (HEIGHT - 4);
      context.fillRect(i * bar, HEIGHT - height, Math.max(1, bar - 1), height);
    });
    if (drag) {
      context.fillStyle = 'rgb(120 140 255 / 30%)';
      context.fillRect(Math.min(drag.from, drag.to) * width, 0, Math.abs(drag.to - drag.from) * width, HEIGHT);
    }
  });

  const at = (event: PointerEvent<HTMLCanvasElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const finish = () => {
    if (drag && times.length > 1 && Math.abs(drag.to - drag.from) > 0.01) {
      const begin = times[0]! / 1000;
      const span = times.length * step;
      onSelect(
        Math.floor(begin + Math.min(drag.from, drag.to) * span),
        Math.ceil(begin + Math.max(drag.from, drag.to) * span),
      );
    }
    setDrag(null);
  };
  return (
    <section className="card timeline" aria-label="Over time">
      <span className="muted">
        peak {formatRate(peak, step, type, data?.unit ?? '')}
        {values.length > 0 &&
          ` · ${formatValue(
            values.reduce((a, b) => a + b, 0),
            data!.unit,
          )} ${amountOf(type)} in all`}{' '}
        · drag to choose a range
      </span>
      <canvas
        ref={canvas}
        style={{ height: HEIGHT }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag({ from: at(event), to: at(event) });
        }}
        onPointerMove={(event) => drag && setDrag({ from: drag.from, to: at(event) })}
        onPointerUp={finish}
      />
    </section>
  );
}
