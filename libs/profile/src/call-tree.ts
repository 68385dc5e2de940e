import { growFloat64, growInt32, growUint8 } from './grow.ts';

/** Children of a node that are found one after another; what more there are is found in a table. */
const FEW = 8;

/**
 * A tree in the making: node 0 is the root, every node stands behind its parent. Functions are numbers that the caller
 * names; children of one parent are distinct by function.
 *
 * Struct of arrays. Most nodes have few children, which stand in a list, newest first: a tree of millions of frames does not fit into the
 * processor's caches, and the children of a node that was just met do. What a node has beyond a few is found in one open-addressed
 * table over (parent, function), so that no shape of stacks makes it slow.
 */
export class CallTree {
  length = 1;
  parent: Int32Array<ArrayBuffer>;
  fn: Int32Array<ArrayBuffer>;
  /** 1 while every frame that was merged into the node was inlined. */
  inlined: Uint8Array<ArrayBuffer>;
  self: Float64Array<ArrayBuffer>;
  /** The newest child in the list of each node, and the one before it; 0 = none, since the root is nobody's child. */
  private first: Int32Array<ArrayBuffer>;
  private next: Int32Array<ArrayBuffer>;
  /** Children in the list of each node. */
  private few: Uint8Array<ArrayBuffer>;
  /** Node of each slot; 0 = free. A power of two, at most half full. */
  private slots = new Int32Array(4096);
  private inSlots = 0;

  /** @param nodes to expect; there may be more */
  constructor(nodes = 0) {
    const room = Math.max(1024, nodes);
    this.parent = new Int32Array(room).fill(-1, 0, 1);
    this.fn = new Int32Array(room).fill(-1, 0, 1);
    this.inlined = new Uint8Array(room);
    this.self = new Float64Array(room);
    this.first = new Int32Array(room);
    this.next = new Int32Array(room);
    this.few = new Uint8Array(room);
  }

  child(parent: number, fn: number, inlined: number): number {
    for (let node = this.first[parent]!; node !== 0; node = this.next[node]!) {
      if (this.fn[node] === fn) {
        this.inlined[node]! &= inlined;
        return node;
      }
    }
    if (this.few[parent] === FEW) return this.childInSlots(parent, fn, inlined);
    const node = this.append(parent, fn, inlined);
    this.next[node] = this.first[parent]!;
    this.first[parent] = node;
    this.few[parent]!++;
    return node;
  }

  add(node: number, value: number): void {
    this.self[node]! += value;
  }

  /** The value of each node and of everything below it. */
  totals(): Float64Array {
    const totals = this.self.slice(0, this.length);
    for (let node = this.length - 1; node > 0; node--) totals[this.parent[node]!]! += totals[node]!;
    return totals;
  }

  private childInSlots(parent: number, fn: number, inlined: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = hash(parent, fn) & mask;
    for (let node = slots[slot]!; node !== 0; node = slots[slot]!) {
      if (this.parent[node] === parent && this.fn[node] === fn) {
        this.inlined[node]! &= inlined;
        return node;
      }
      slot = (slot + 1) & mask;
    }
    const node = this.append(parent, fn, inlined);
    slots[slot] = node;
    if (++this.inSlots * 2 > slots.length) this.rehash();
    return node;
  }

  private append(parent: number, fn: number, inlined: number): number {
    const node = this.length++;
    if (node >= this.parent.length) this.grow(node);
    this.parent[node] = parent;
    this.fn[node] = fn;
    this.inlined[node] = inlined;
    return node;
  }

  private grow(at: number): void {
    this.parent = growInt32(this.parent, at);
    this.fn = growInt32(this.fn, at);
    this.inlined = growUint8(this.inlined, at);
    this.first = growInt32(this.first, at);
    this.next = growInt32(this.next, at);
    this.few = growUint8(this.few, at);
    this.self = growFloat64(this.self, at);
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 4);
    const mask = slots.length - 1;
    for (const node of this.slots) {
      if (node === 0) continue;
      let slot = hash(this.parent[node]!, this.fn[node]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = node;
    }
    this.slots = slots;
  }
}

/** Multiplicative, with the high bits folded down: parents and functions are small consecutive numbers. */
function hash(parent: number, fn: number): number {
  const mixed = Math.imul(parent, 0x9e3779b1) ^ Math.imul(fn + 1, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
