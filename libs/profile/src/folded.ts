import type { FrameColumns } from './frame-table.ts';
import type { StackColumns } from './stack-table.ts';

const NAMELESS = '[unknown]';

/**
 * One line a stack (https://github.com/brendangregg/FlameGraph): names root first with `;` between them, the value after the
 * last space. In a name `;` becomes `:` and line breaks become spaces; an empty name or stack is `[unknown]`. Stacks that read
 * the same are one line; lines stand in the order of their first stack.
 */
export function toFolded(stacks: StackColumns, frames: FrameColumns): string {
  const { strings, name } = frames.functions;
  const functions = Array.from(name, (index) => foldedName(strings[index]!));
  const names = Array.from(frames.function, (fn) => functions[fn]!);
  const lines = new Map<string, number>();
  for (let row = 0; row < stacks.values.length; row++) {
    const path: string[] = [];
    for (let i = stacks.offsets[row]!; i < stacks.offsets[row + 1]!; i++) path.push(names[stacks.frames[i]!]!);
    const line = path.join(';') || NAMELESS;
    lines.set(line, (lines.get(line) ?? 0) + stacks.values[row]!);
  }
  let text = '';
  for (const [line, value] of lines) text += `${line} ${value}\n`;
  return text;
}

function foldedName(name: string): string {
  return name.replaceAll(';', ':').replace(/[\r\n]+/g, ' ') || NAMELESS;
}
