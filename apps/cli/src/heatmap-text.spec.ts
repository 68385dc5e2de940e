import { describe, expect, it } from 'vitest';
import { heatmapText } from './heatmap-text.ts';

const map = {
  ...{ type: 'cpu', unit: 'nanoseconds', rateUnit: 'cores', step: 60, total: 9 },
  times: [0, 60_000, 120_000],
  bounds: [0, 0.5, 1],
  cells: { time: [0, 0, 2], bucket: [0, 1, 1], count: [4, 1, 2], value: [1, 2, 6] },
};

describe('heatmapText', () => {
  it('has a line per bucket, largest on top, and a shade per count', () => {
    expect(heatmapText(map).split('\n')).toEqual([
      'cores, fullest cell 4',
      '    0.500 |░ ▒|',
      '     0.00 |█  |',
      '1970-01-01 00:00:00 to 1970-01-01 00:03:00 UTC, 60 s a column',
      '',
    ]);
  });

  it('puts steps together where there are more than fit', () => {
    expect(heatmapText(map, 2).split('\n').slice(1, 3)).toEqual(['    0.500 |░▒|', '     0.00 |█ |']);
  });

  it('is empty for an empty selection', () => {
    const nothing = { ...map, bounds: [0, 0], cells: { time: [], bucket: [], count: [], value: [] } };
    expect(heatmapText(nothing)).toContain('     0.00 |   |');
  });
});
