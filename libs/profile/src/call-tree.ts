import { growFloat64, growInt32, growUint8 } from './grow.ts';

/**
 * A tree in the making: node 0 is the root, every node stands behind its parent. Functions are numbers that the caller
 * names; children of one parent are distinct by function. `self` holds one column a side (two in a diff).
 *
 * Struct of arrays; children are found in one open-addressed table over (parent, function), which is what makes a tree
 * of millions of frames a matter of tens of milliseconds.
 */
export class CallTree {
  length = 1;
  parent = new Int32Array(1024).fill(-1, 0, 1);
  fn = new Int32Array(1024).fill(-1, 0, 1);
  /** 1 while every frame that was merged into the node was inlined. */
  inlined = new Uint8Array(1024);
  readonly self: Float64Array<ArrayBuffer>[];
  /** Node of each slot; 0 = free, since the root is nobody's child. A power of two, at most half full. */
  private slots = new Int32Array(4096);

  constructor(sides = 1) {
    this.self = Array.from({ length: sides }, () => new Float64Array(1024));
  }

  child(parent: number, fn: number, inlined: number): number {
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
    const node = this.length++;
    if (node >= this.parent.length) this.grow(node);
    this.parent[node] = parent;
    this.fn[node] = fn;
    this.inlined[node] = inlined;
    slots[slot] = node;
    if (node * 2 > slots.length) this.rehash();
    return node;
  }

  add(side: number, node: number, value: number): void {
    this.self[side]![node]! += value;
  }

  totals(side: number): Float64Array {
    const totals = this.self[side]!.slice(0, this.length);
    for (let node = this.length - 1; node > 0; node--) totals[this.parent[node]!]! += totals[node]!;
    return totals;
  }

  private grow(at: number): void {
    this.parent = growInt32(this.parent, at);
    this.fn = growInt32(this.fn, at);
    this.inlined = growUint8(this.inlined, at);
    for (let side = 0; side < this.self.length; side++) this.self[side] = growFloat64(this.self[side]!, at);
  }

  private rehash(): void {
    const slots = new Int32Array(this.slots.length * 4);
    const mask = slots.length - 1;
    for (let node = 1; node < this.length; node++) {
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
