import type { HeatmapResponse } from '@perfleet/api-contract';

const SHADES = ' ░▒▓█';

/**
 * A heat map for a terminal: a line per bucket with its lower edge, largest on top; a column per step, or per several where there
 * are more than `width`. The shade is the count against the fullest cell.
 * @param width columns for the map itself
 */
export function heatmapText({ times, bounds, rateUnit, cells, step }: HeatmapResponse, width = 100): string {
  const buckets = bounds.length - 1;
  const together = Math.max(1, Math.ceil(times.length / width));
  const columns = Math.ceil(times.length / together);
  const counts = new Float64Array(buckets * columns);
  cells.count.forEach((count, i) => {
    counts[cells.bucket[i]! * columns + Math.floor(cells.time[i]! / together)]! += count;
  });
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const shade = (count: number) => SHADES[most === 0 ? 0 : Math.ceil((count / most) * (SHADES.length - 1))]!;
  const edge = (i: number) => bounds[i]!.toPrecision(3).padStart(9);
  const lines = Array.from({ length: buckets }, (_, line) => {
    const bucket = buckets - 1 - line;
    const row = counts.subarray(bucket * columns, (bucket + 1) * columns);
    return `${edge(bucket)} |${Array.from(row, shade).join('')}|`;
  });
  const day = (ms: number | undefined) => new Date(ms ?? 0).toISOString().slice(0, 19).replace('T', ' ');
  const last = (times.at(-1) ?? 0) + step * 1000;
  return `${rateUnit}, fullest cell ${most}\n${lines.join('\n')}\n${day(times[0])} to ${day(last)} UTC, ${together * step} s a column\n`;
}
