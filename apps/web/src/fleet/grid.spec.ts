import { describe, expect, it } from 'vitest';
import { cellAt, cellOrigin, layoutGrid } from './grid.ts';

describe('layoutGrid', () => {
  it('gives few nodes large cells and many nodes cells that fit', () => {
    expect(layoutGrid(3, 1300, 400)).toMatchObject({ size: 30, rows: 1 });
    const many = layoutGrid(10_000, 1300, 400);
    expect(many.height).toBeLessThanOrEqual(400);
    expect(many.columns * many.rows).toBeGreaterThanOrEqual(10_000);
    expect(layoutGrid(100_000, 300, 100)).toMatchObject({ size: 5, columns: 60 });
    expect(layoutGrid(0, 300, 100).rows).toBe(0);
  });

  it('finds every cell at its own place and none beside', () => {
    const grid = layoutGrid(1234, 700, 300);
    for (let i = 0; i < grid.count; i++) {
      const { x, y } = cellOrigin(grid, i);
      expect(cellAt(grid, x + grid.size / 2, y + grid.size / 2)).toBe(i);
    }
    expect(cellAt(grid, -1, 5)).toBe(-1);
    expect(cellAt(grid, grid.columns * grid.size + 1, 5)).toBe(-1);
    expect(cellAt(grid, 5, grid.height + 1)).toBe(-1);
  });
});
