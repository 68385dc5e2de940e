import type { FleetNode } from '@perfleet/api-contract';
import { expect, it } from 'vitest';
import { cellOrigin, layoutGrid } from './grid.ts';
import { CLASS_COLORS, RUNG_COLOR } from './node-colors.ts';
import { paintCells } from './paint.ts';

const node = (change: Partial<FleetNode>) =>
  ({ alive: true, mode: 'pods', fallback: false, rung: 1, ...change }) as FleetNode;

it.each([1, 2])('paints every node at its place, in its colour, at a ratio of %s', (ratio) => {
  const nodes = [
    ...[node({}), node({ mode: 'whole-system' }), node({ mode: 'whole-system', fallback: true }), node({ rung: 4 })],
    ...[node({ rung: 2 }), node({ rung: 3 }), node({ alive: false })],
  ];
  const grid = layoutGrid(nodes.length, 95, 400);
  const { width, pixels } = paintCells(grid, nodes, ratio);
  const bytes = new Uint8Array(pixels.buffer);
  const at = (i: number, share: number) => {
    const { x, y } = cellOrigin(grid, i);
    const side = grid.size - grid.gap;
    const offset = 4 * (Math.floor((y + side * share) * ratio) * width + Math.floor((x + side / 2) * ratio));
    return `#${[...bytes.slice(offset, offset + 3)].map((b) => b.toString(16).padStart(2, '0')).join('')}/${bytes[offset + 3]}`;
  };
  const { pods, fallback, blind, silent } = CLASS_COLORS;
  expect(nodes.map((_, i) => at(i, 0.3))).toEqual([
    ...[pods, CLASS_COLORS['whole-system'], fallback, blind, pods, pods].map((color) => `${color}/255`),
    '#000000/0',
  ]);
  expect([4, 5, 0].map((i) => at(i, 0.9))).toEqual([RUNG_COLOR, RUNG_COLOR, pods].map((color) => `${color}/255`));
  expect([4, 5].map((i) => at(i, 0.5))).toEqual([pods, RUNG_COLOR].map((color) => `${color}/255`));
  expect(at(6, 0)).toBe(`${silent}/255`);
});
