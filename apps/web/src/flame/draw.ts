import { frameColor } from './colors.ts';
import type { FlameLayout } from './layout.ts';

export const ROW = 19;
const MIN_TEXT = 26;
const FONT = '12px ui-sans-serif, system-ui, -apple-system, "Segoe UI", sans-serif';

export interface View {
  /** Visible extent on the value axis. */
  readonly from: number;
  readonly to: number;
  /** First visible row, in CSS pixels. */
  readonly scroll: number;
  readonly width: number;
  readonly height: number;
}

export interface DrawState {
  readonly layout: FlameLayout;
  readonly view: View;
  readonly hovered: number;
  readonly matches: Uint8Array | null;
}

/**
 * Draws what is visible. A subtree narrower than half a pixel is one grey sliver, so a frame costs what is on the screen
 * and not what is in the profile.
 */
export function drawFlameGraph(context: CanvasRenderingContext2D, { layout, view, hovered, matches }: DrawState): void {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  context.clearRect(0, 0, view.width, view.height);
  context.font = FONT;
  context.textBaseline = 'middle';
  const scale = view.width / (view.to - view.from);
  const faint = dark ? '#2a2f3a' : '#dfe3ea';
  let i = 0;
  while (i < layout.length) {
    const x0 = (layout.start[i]! - view.from) * scale;
    const width = layout.total[i]! * scale;
    const y = layout.depth[i]! * ROW - view.scroll;
    if (x0 + width <= 0 || x0 >= view.width || y >= view.height) {
      i = layout.end[i]!;
      continue;
    }
    if (width < 0.5) {
      if (y + ROW > 0) {
        context.fillStyle = faint;
        context.fillRect(x0, y, 0.7, ROW - 1);
      }
      i = layout.end[i]!;
      continue;
    }
    if (y + ROW > 0) drawNode(i, Math.max(0, x0), Math.min(view.width, x0 + width), y);
    i++;
  }

  function drawNode(node: number, left: number, right: number, y: number): void {
    const name = layout.strings[layout.name[node]!]!;
    const width = right - left;
    const dimmed = matches !== null && !matches[node];
    context.globalAlpha = dimmed ? 0.22 : 1;
    context.fillStyle =
      node === 0
        ? dark
          ? '#3a4150'
          : '#c9d0db'
        : frameColor(layout.strings[layout.kind[node]!]!, layout.strings[layout.module[node]!]!, name);
    context.fillRect(left, y, Math.max(0.5, width - (width > 3 ? 1 : 0)), ROW - 1);
    if (matches?.[node]) {
      context.fillStyle = '#c026d3';
      context.fillRect(left, y + ROW - 4, Math.max(0.5, width - 1), 3);
    }
    if (node === hovered) {
      context.strokeStyle = dark ? '#fff' : '#111';
      context.lineWidth = 1.5;
      context.strokeRect(left + 0.75, y + 0.75, Math.max(1, width - 2), ROW - 2.5);
    }
    if (width >= MIN_TEXT) {
      context.globalAlpha = dimmed ? 0.5 : 1;
      context.fillStyle = dark && (node === 0 || dimmed) ? '#e6e9ef' : '#14161b';
      const label = fitText(context, layout.inlined[node] ? `⤷ ${name}` : name, width - 8);
      if (label) context.fillText(label, left + 4, y + ROW / 2);
    }
    context.globalAlpha = 1;
  }
}

/** The text, or as much of its beginning as fits with an ellipsis, or nothing. */
function fitText(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (text.length > 400) text = text.slice(0, 400);
  if (text.length * 6.2 < width && context.measureText(text).width <= width) return text;
  let low = 0;
  let high = Math.min(text.length, Math.ceil(width / 3));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low < 2 ? '' : low >= text.length ? text : `${text.slice(0, low)}…`;
}
