import type { FleetNode } from '@perfleet/api-contract';
import { cellOrigin, type Grid } from './grid.ts';
import { CLASS_COLORS, classOf, RUNG_COLOR, rungBand, type NodeClass } from './node-colors.ts';

/** Pixels of the cells, row by row, in the byte order of ImageData (red first in memory). */
export interface Painting {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array<ArrayBuffer>;
}

/** `#rrggbb` as an opaque pixel of a little-endian machine, which every browser runs on. */
function pixel(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  return ((255 << 24) | (blue! << 16) | (green! << 8) | red!) >>> 0;
}

const PIXELS = Object.fromEntries(Object.entries(CLASS_COLORS).map(([name, color]) => [name, pixel(color)])) as Record<
  NodeClass,
  number
>;
const RUNG_PIXEL = pixel(RUNG_COLOR);

/**
 * Paints into memory: ten thousand rectangles as calls of a canvas take tens of milliseconds, as runs of pixels one or two.
 * @param ratio device pixels per CSS pixel
 */
export function paintCells(grid: Grid, nodes: readonly FleetNode[], ratio: number): Painting {
  const width = Math.max(1, Math.round(grid.width * ratio));
  const height = Math.max(1, Math.round(grid.height * ratio));
  const pixels = new Uint32Array(width * height);
  const fill = (left: number, top: number, right: number, bottom: number, color: number) => {
    const end = Math.min(width, right);
    for (let y = top; y < Math.min(height, bottom); y++) pixels.fill(color, y * width + left, y * width + end);
  };
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    const { x, y } = cellOrigin(grid, i);
    const [left, top] = [Math.round(x * ratio), Math.round(y * ratio)];
    const side = Math.max(1, Math.round((grid.size - grid.gap) * ratio));
    const [right, bottom] = [left + side, top + side];
    const kind = classOf(node);
    fill(left, top, right, bottom, PIXELS[kind]);
    // A silent node is an empty frame: nothing comes from there.
    const edge = Math.max(1, Math.round(side / 8));
    if (kind === 'silent' && side > 2 * edge) fill(left + edge, top + edge, right - edge, bottom - edge, 0);
    const band = Math.round(rungBand(node) * side);
    if (band > 0) fill(left, bottom - band, right, bottom, RUNG_PIXEL);
  }
  return { width, height, pixels };
}
