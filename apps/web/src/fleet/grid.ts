/** Cells of a fleet in reading order, all of one size: cell `i` stands at column `i % columns`, row `i / columns`. */
export interface Grid {
  readonly count: number;
  readonly columns: number;
  readonly rows: number;
  /** Side of a cell with its gap, CSS pixels. */
  readonly size: number;
  readonly gap: number;
  readonly width: number;
  readonly height: number;
}

const MAX_SIZE = 30;
const MIN_SIZE = 5;

/** The largest cells with which `count` of them fit into the width and height; below 5 px the height gives way. */
export function layoutGrid(count: number, width: number, maxHeight: number): Grid {
  let size = MAX_SIZE;
  while (size > MIN_SIZE && Math.ceil(count / Math.max(1, Math.floor(width / size))) * size > maxHeight) size--;
  const columns = Math.max(1, Math.floor(width / size));
  const rows = Math.ceil(count / columns);
  return {
    count,
    columns,
    rows,
    size,
    gap: size >= 14 ? 3 : size >= 8 ? 2 : 1,
    width,
    height: Math.max(size, rows * size),
  };
}

/** @returns index of the cell at a point, -1 = none */
export function cellAt({ count, columns, size }: Grid, x: number, y: number): number {
  if (x < 0 || y < 0) return -1;
  const column = Math.floor(x / size);
  if (column >= columns) return -1;
  const index = Math.floor(y / size) * columns + column;
  return index < count ? index : -1;
}

export function cellOrigin({ columns, size }: Grid, index: number): { x: number; y: number } {
  return { x: (index % columns) * size, y: Math.floor(index / columns) * size };
}
