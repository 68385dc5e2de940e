import type { DiffResponse, FlameGraphColumns, TopResponse } from '@perfleet/api-contract';
import type { ResolvedFrame } from './frames.ts';
import type { StackSet } from './stack-set.ts';

type TopFunction = TopResponse['functions'][number];

interface Node {
  readonly frame: ResolvedFrame;
  self: number;
  total: number;
  /** By the number of the function; made with the first child, since most nodes are leaves. */
  children: Map<number, Node> | null;
}

/** Nodes of one graph: about 20 MB of JSON. */
export const MAX_NODES = 300_000;

const sameFunction = (f: ResolvedFrame) => `${f.name}\0${f.file}\0${f.module}\0${f.kind}`;
const special = (name: string, kind: string): ResolvedFrame => ({
  name,
  file: '',
  line: 0,
  module: '',
  kind,
  inlined: false,
});
const ROOT = special('all', 'root');
/** Stands for what had no place in the graph; its value keeps every total exact. */
export const MORE = special('[more stacks]', 'truncated');

/** Numbers functions; a frame object that was seen before is found without looking at its text. */
class FunctionNumbers {
  private readonly byFrame = new Map<ResolvedFrame, number>();
  private readonly byText = new Map<string, number>();

  of(frame: ResolvedFrame): number {
    let number = this.byFrame.get(frame);
    if (number === undefined) {
      const text = `${sameFunction(frame)}\0${frame.inlined}`;
      number = this.byText.get(text) ?? this.byText.size;
      this.byText.set(text, number);
      this.byFrame.set(frame, number);
    }
    return number;
  }
}

/**
 * Frames of one function below one parent are one node, whatever their lines. Children: largest first, then by name.
 * Past `maxNodes` a stack ends in `[more stacks]` where it would need a new node; stacks come largest first, so
 * that only small ones do.
 */
export function flameGraphOf(set: StackSet, maxNodes = MAX_NODES): FlameGraphColumns {
  const numbers = new FunctionNumbers();
  const root: Node = { frame: ROOT, self: 0, total: 0, children: null };
  let count = 1;
  const childOf = (node: Node, frame: ResolvedFrame) => {
    const number = numbers.of(frame);
    node.children ??= new Map();
    let child = node.children.get(number);
    if (!child && (count < maxNodes || frame === MORE)) {
      count++;
      node.children.set(number, (child = { frame, self: 0, total: 0, children: null }));
    }
    return child;
  };
  for (const { frames, value } of set.stacks) {
    let node = root;
    node.total += value;
    for (const frame of frames) {
      const child = childOf(node, frame);
      node = child ?? (childOf(node, MORE) as Node);
      node.total += value;
      if (!child) break;
    }
    node.self += value;
  }
  return toColumns(root);
}

/** Depth first with a stack of its own: profiles of deep recursion must not exhaust the engine's. */
function toColumns(root: Node): FlameGraphColumns {
  const strings = new Map<string, number>([['', 0]]);
  const text = (s: string) => {
    let index = strings.get(s);
    if (index === undefined) strings.set(s, (index = strings.size));
    return index;
  };
  const out = {
    parent: [] as number[],
    name: [] as number[],
    file: [] as number[],
    module: [] as number[],
    kind: [] as number[],
  };
  const numbers = { inlined: [] as number[], self: [] as number[], total: [] as number[] };
  const open: Array<{ node: Node; parent: number }> = [{ node: root, parent: -1 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, parent } = next;
    const index = out.parent.push(parent) - 1;
    out.name.push(text(node.frame.name));
    out.file.push(text(node.frame.file));
    out.module.push(text(node.frame.module));
    out.kind.push(text(node.frame.kind));
    numbers.inlined.push(node.frame.inlined ? 1 : 0);
    numbers.self.push(node.self);
    numbers.total.push(node.total);
    const children = [...(node.children?.values() ?? [])].sort(
      (a, b) => a.total - b.total || (a.frame.name < b.frame.name ? 1 : -1),
    );
    for (const child of children) open.push({ node: child, parent: index });
  }
  return { strings: [...strings.keys()], ...out, ...numbers };
}

/** Functions by self value, then total; a recursive one counts once per stack. The process is no function. */
export function topOf(set: StackSet): TopFunction[] {
  const functions = new Map<string, { -readonly [K in keyof TopFunction]: TopFunction[K] }>();
  for (const { frames, value } of set.stacks) {
    const seen = new Set<string>();
    frames.forEach((frame, i) => {
      if (frame.kind === 'process') return;
      const key = sameFunction(frame);
      let entry = functions.get(key);
      if (!entry) {
        const { name, file, module, kind } = frame;
        functions.set(key, (entry = { function: name, file, module, kind, self: 0, total: 0 }));
      }
      if (i === frames.length - 1) entry.self += value;
      if (!seen.has(key)) entry.total += value;
      seen.add(key);
    });
  }
  return [...functions.values()].sort(
    (a, b) => b.self - a.self || b.total - a.total || (a.function < b.function ? -1 : 1),
  );
}

/** Functions of both sides; the largest change of their share of the total comes first. */
export function diffOf(before: StackSet, after: StackSet, limit: number): DiffResponse {
  type Row = DiffResponse['functions'][number];
  const rows = new Map<string, Row>();
  const key = (f: TopFunction) => `${f.function}\0${f.file}\0${f.module}\0${f.kind}`;
  for (const f of topOf(before)) rows.set(key(f), { ...f, self: 0, total: 0, base: { self: f.self, total: f.total } });
  for (const f of topOf(after)) rows.set(key(f), { ...f, base: rows.get(key(f))?.base ?? { self: 0, total: 0 } });
  const change = (r: Row) => Math.abs(r.total / (after.total || 1) - r.base.total / (before.total || 1));
  const functions = [...rows.values()].sort((a, b) => change(b) - change(a)).slice(0, limit);
  return { unit: after.unit || before.unit, baseTotal: before.total, total: after.total, functions };
}
