import { useCallback, useEffect, useMemo, useRef, useState, type MouseEvent } from 'react';
import { formatShare, formatValue } from '../format.ts';
import { drawFlameGraph, ROW, type View } from './draw.ts';
import { findPath, nodeAt, pathOf, type FlameLayout } from './layout.ts';
import { searchFlameGraph } from './search.ts';

interface Props {
  readonly layout: FlameLayout;
  readonly unit: string;
  readonly search: string;
  readonly onMatched: (value: number | null, error: string | null) => void;
}

const ZOOM_MS = 140;

/** The flame graph on a canvas: click zooms, Escape or the root goes back, hover tells, arrow keys walk. */
export function FlameGraph({ layout, unit, search, onMatched }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState({ width: 800 });
  const [focusPath, setFocusPath] = useState<readonly string[]>([]);
  const [hover, setHover] = useState<{ node: number; x: number; y: number } | null>(null);
  const drawn = useRef<{ from: number; to: number } | null>(null);

  const focus = useMemo(() => findPath(layout, focusPath), [layout, focusPath]);
  const result = useMemo(() => searchFlameGraph(layout, search), [layout, search]);
  useEffect(() => onMatched(result?.value ?? null, result?.error ?? null), [result, onMatched]);

  const height = Math.max(220, (layout.maxDepth + 1) * ROW + 4);
  const hovered = hover && hover.node < layout.length ? hover.node : -1;

  useEffect(() => {
    const element = canvas.current!.parentElement!;
    const observer = new ResizeObserver(() => setSize({ width: Math.max(100, element.clientWidth) }));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const element = canvas.current!;
    const ratio = window.devicePixelRatio || 1;
    element.width = Math.round(size.width * ratio);
    element.height = Math.round(height * ratio);
    const context = element.getContext('2d')!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const target = {
      from: layout.start[focus] ?? 0,
      to: (layout.start[focus] ?? 0) + Math.max(layout.total[focus] ?? 0, 1e-9),
    };
    const origin = drawn.current ?? target;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const began = performance.now();
    let request = 0;
    const frame = (now: number) => {
      const t = calm ? 1 : Math.min(1, (now - began) / ZOOM_MS);
      const ease = 1 - (1 - t) ** 3;
      const view: View = {
        from: origin.from + (target.from - origin.from) * ease,
        to: origin.to + (target.to - origin.to) * ease,
        scroll: 0,
        width: size.width,
        height,
      };
      drawn.current = { from: view.from, to: view.to };
      drawFlameGraph(context, { layout, view, hovered, matches: result?.matches ?? null });
      if (t < 1) request = requestAnimationFrame(frame);
    };
    const moved = origin.from !== target.from || origin.to !== target.to;
    if (moved) request = requestAnimationFrame(frame);
    else frame(began + ZOOM_MS);
    return () => cancelAnimationFrame(request);
  }, [layout, focus, hovered, result, size, height]);

  const pick = useCallback(
    (event: MouseEvent<HTMLCanvasElement>) => {
      const box = event.currentTarget.getBoundingClientRect();
      const view = drawn.current ?? { from: 0, to: layout.total[0] ?? 1 };
      const value = view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from);
      return nodeAt(layout, Math.floor((event.clientY - box.top) / ROW), value);
    },
    [layout],
  );

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !(event.target instanceof HTMLInputElement)) setFocusPath([]);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);

  const crumbs = pathOf(layout, focus);
  return (
    <div className="flame">
      <nav className="crumbs" aria-label="Zoomed into">
        <button onClick={() => setFocusPath([])} disabled={focus === 0}>
          all
        </button>
        {crumbs.map((name, i) => (
          <button key={i} onClick={() => setFocusPath(crumbs.slice(0, i + 1))} title={name}>
            {name}
          </button>
        ))}
        {focus !== 0 && <span className="muted">{formatShare(layout.total[focus]!, layout.total[0]!)} of all</span>}
      </nav>
      <div className="flame-canvas">
        <canvas
          ref={canvas}
          role="img"
          tabIndex={0}
          aria-label={`Flame graph of ${formatValue(layout.total[0] ?? 0, unit)} with ${layout.length} nodes`}
          data-nodes={layout.length}
          data-focus={crumbs.join(';')}
          style={{ width: size.width, height }}
          onMouseMove={(event) => {
            const node = pick(event);
            setHover(node < 0 ? null : { node, x: event.clientX, y: event.clientY });
          }}
          onMouseLeave={() => setHover(null)}
          onClick={(event) => {
            const node = pick(event);
            if (node >= 0) setFocusPath(pathOf(layout, node));
          }}
        />
      </div>
      {hover && hovered >= 0 && (
        <Tooltip layout={layout} node={hovered} focus={focus} unit={unit} x={hover.x} y={hover.y} />
      )}
    </div>
  );
}

function Tooltip({
  layout,
  node,
  focus,
  unit,
  x,
  y,
}: {
  layout: FlameLayout;
  node: number;
  focus: number;
  unit: string;
  x: number;
  y: number;
}) {
  const text = (column: Int32Array) => layout.strings[column[node]!]!;
  const total = layout.total[node]!;
  const right = x > window.innerWidth / 2;
  return (
    <div
      className="tooltip"
      role="tooltip"
      style={{
        top: Math.min(y + 16, window.innerHeight - 190),
        ...(right ? { right: window.innerWidth - x + 12 } : { left: x + 12 }),
      }}
    >
      <strong>{text(layout.name)}</strong>
      {text(layout.file) && <div className="mono">{text(layout.file)}</div>}
      {text(layout.module) && <div className="mono muted">{text(layout.module)}</div>}
      <table>
        <tbody>
          <tr>
            <td>total</td>
            <td>{formatValue(total, unit)}</td>
            <td>{formatShare(total, layout.total[0]!)}</td>
          </tr>
          <tr>
            <td>self</td>
            <td>{formatValue(layout.self[node]!, unit)}</td>
            <td>{formatShare(layout.self[node]!, layout.total[0]!)}</td>
          </tr>
          {focus !== 0 && (
            <tr>
              <td>of zoom</td>
              <td />
              <td>{formatShare(total, layout.total[focus]!)}</td>
            </tr>
          )}
        </tbody>
      </table>
      <div className="muted">
        {text(layout.kind)}
        {layout.inlined[node] ? ' · inlined' : ''}
      </div>
    </div>
  );
}
