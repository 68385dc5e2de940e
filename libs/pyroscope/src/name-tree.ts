/** What is needed of a flame graph: its nodes as columns, a parent before its children; the root's parent is -1. */
export interface GraphNodes {
  readonly strings: readonly string[];
  readonly parent: ArrayLike<number>;
  /** Indices into `strings`. */
  readonly name: ArrayLike<number>;
  readonly kind: ArrayLike<number>;
  readonly self: ArrayLike<number>;
}

/**
 * Call tree by function names alone, as Pyroscope has it, with one or two sides. Node 0 is the root; a parent stands
 * before its children.
 */
export class NameTree {
  readonly parent: number[] = [-1];
  readonly name: string[] = ['total'];
  /** By side, then node. */
  readonly self: number[][];
  private readonly children: Array<Map<string, number> | undefined> = [];

  constructor(readonly sides: 1 | 2 = 1) {
    this.self = Array.from({ length: sides }, () => [0]);
  }

  /**
   * Adds a flame graph. Processes are no frames here: what is below them joins by name, as Pyroscope merges the
   * profiles of several processes.
   */
  add(graph: GraphNodes, side: 0 | 1 = 0): this {
    const place: number[] = [];
    for (let i = 0; i < graph.parent.length; i++) {
      const above = graph.parent[i]!;
      const isFrame = above >= 0 && graph.strings[graph.kind[i]!] !== 'process';
      place[i] = above < 0 ? 0 : isFrame ? this.child(place[above]!, graph.strings[graph.name[i]!]!) : place[above]!;
      this.self[side]![place[i]!]! += graph.self[i]!;
    }
    return this;
  }

  /** By side, then node: the value of the node and everything below it. */
  totals(): number[][] {
    return this.self.map((self) => {
      const total = [...self];
      for (let i = total.length - 1; i > 0; i--) total[this.parent[i]!]! += total[i]!;
      return total;
    });
  }

  private child(node: number, name: string): number {
    const children = (this.children[node] ??= new Map());
    let child = children.get(name);
    if (child === undefined) {
      child = this.parent.push(node) - 1;
      this.name.push(name);
      for (const side of this.self) side.push(0);
      children.set(name, child);
    }
    return child;
  }
}
