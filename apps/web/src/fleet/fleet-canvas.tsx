import type { FleetNode } from '@perfleet/api-contract';
import { RUNG_NAMES } from '@perfleet/api-contract';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from 'react';
import { formatAgo } from '../format.ts';
import { cellAt, cellOrigin, layoutGrid, type Grid } from './grid.ts';
import { CLASS_COLORS, CLASS_NAMES, classOf } from './node-colors.ts';
import { paintCells } from './paint.ts';

interface Props {
  readonly nodes: readonly FleetNode[];
  readonly picked: string;
  readonly onPick: (node: string) => void;
}

const MAX_HEIGHT = 420;

/**
 * Every node a cell. The cells are drawn when the fleet or the size changes; what follows the pointer is on a second canvas
 * above, so that hovering costs one outline, however many nodes there are.
 */
export function FleetCanvas({ nodes, picked, onPick }: Props) {
  const cells = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(800);
  const [hover, setHover] = useState<{ index: number; x: number; y: number } | null>(null);
  const grid = useMemo(() => layoutGrid(nodes.length, width, MAX_HEIGHT), [nodes.length, width]);
  const pickedIndex = useMemo(() => nodes.findIndex((node) => node.node === picked), [nodes, picked]);
  const hovered = hover && hover.index < nodes.length ? hover : null;

  useEffect(() => {
    const element = cells.current!.parentElement!;
    const observer = new ResizeObserver(() => setWidth(Math.max(100, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const began = performance.now();
    drawCells(cells.current!, grid, nodes);
    performance.measure('fleet-cells', { start: began, end: performance.now() });
  }, [nodes, grid]);

  useEffect(() => {
    const began = performance.now();
    drawMarks(prepare(marks.current!, grid), grid, hovered?.index ?? -1, pickedIndex);
    performance.measure('fleet-marks', { start: began, end: performance.now() });
  }, [grid, hovered?.index, pickedIndex]);

  const at = (event: MouseEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return cellAt(grid, event.clientX - box.left, event.clientY - box.top);
  };
  const onKey = (event: KeyboardEvent<HTMLElement>) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns }[event.key];
    const current = hovered?.index ?? Math.max(0, pickedIndex);
    if (move !== undefined) {
      event.preventDefault();
      const index = Math.min(nodes.length - 1, Math.max(0, hovered || pickedIndex >= 0 ? current + move : current));
      const { x, y } = cellOrigin(grid, index);
      const box = event.currentTarget.getBoundingClientRect();
      setHover({ index, x: box.left + x, y: box.top + y });
    } else if (event.key === 'Enter' && hovered) onPick(nodes[hovered.index]!.node);
    else if (event.key === 'Escape') setHover(null);
  };
  return (
    <div className="fleet-canvas">
      <canvas ref={cells} aria-hidden style={{ width: grid.width, height: grid.height }} />
      <canvas
        ref={marks}
        role="img"
        tabIndex={0}
        aria-label={`${nodes.length} nodes; arrow keys walk, Enter opens`}
        data-cells={nodes.length}
        data-cell-size={grid.size}
        data-columns={grid.columns}
        style={{ width: grid.width, height: grid.height }}
        onMouseMove={(event) => {
          const index = at(event);
          setHover(index < 0 ? null : { index, x: event.clientX, y: event.clientY });
        }}
        onMouseLeave={() => setHover(null)}
        onBlur={() => setHover(null)}
        onKeyDown={onKey}
        onClick={(event) => {
          const index = at(event);
          if (index >= 0) onPick(nodes[index]!.node);
        }}
      />
      {hovered && <CellTooltip node={nodes[hovered.index]!} x={hovered.x} y={hovered.y} />}
    </div>
  );
}

function prepare(canvas: HTMLCanvasElement, grid: Grid): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(grid.width * ratio), Math.round(grid.height * ratio)];
  const context = canvas.getContext('2d')!;
  // Setting the size clears and allocates: only when it changed.
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, grid.width, grid.height);
  return context;
}

function drawCells(canvas: HTMLCanvasElement, grid: Grid, nodes: readonly FleetNode[]): void {
  const { width, height, pixels } = paintCells(grid, nodes, window.devicePixelRatio || 1);
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d')!.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
}

function drawMarks(context: CanvasRenderingContext2D, grid: Grid, hovered: number, picked: number): void {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const outline = (index: number, width: number) => {
    if (index < 0) return;
    const { x, y } = cellOrigin(grid, index);
    context.strokeStyle = dark ? '#fff' : '#111';
    context.lineWidth = width;
    const side = grid.size - grid.gap;
    context.strokeRect(x - 1, y - 1, side + 2, side + 2);
  };
  outline(picked, 2.5);
  outline(hovered, 1.5);
}

function CellTooltip({ node, x, y }: { node: FleetNode; x: number; y: number }) {
  const right = x > window.innerWidth / 2;
  const kind = classOf(node);
  const reasons = [node.modeReason, node.rung > 1 ? node.rungReason : ''].filter(Boolean);
  return (
    <div
      className="tooltip"
      role="tooltip"
      style={{
        top: Math.min(y + 16, window.innerHeight - 170),
        ...(right ? { right: window.innerWidth - x + 12 } : { left: x + 12 }),
      }}
    >
      <strong>{node.node}</strong> {node.cluster && <span className="muted">{node.cluster}</span>}
      <div>
        <i className="swatch" style={{ background: CLASS_COLORS[kind] }} /> {CLASS_NAMES[kind]}
        {kind !== node.mode && <span className="muted"> · mode {node.mode}</span>}
        <span className="muted">
          {' '}
          · rung {node.rung}: {RUNG_NAMES[node.rung]}
        </span>
      </div>
      {!node.alive && <div className="bad">last heard of {formatAgo(node.lastSeen, Date.now())}</div>}
      {reasons.map((reason) => (
        <div key={reason} className="muted">
          {reason}
        </div>
      ))}
      <div className="muted">
        {node.rateHz} Hz · {node.kernel}
        {node.restarts > 0 && ` · ${node.restarts} restarts`}
        {node.lostShare !== null && node.lostShare > 0 && ` · ${(100 * node.lostShare).toFixed(1)} % lost`}
      </div>
    </div>
  );
}
