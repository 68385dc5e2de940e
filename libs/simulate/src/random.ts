/** Pseudo-random numbers that are the same on every machine: splitmix32, 32 bits of state. */
export class Random {
  private state: number;

  /** @param seeds mixed one after another, so that (seed, pod, window) has a stream of its own */
  constructor(...seeds: readonly number[]) {
    this.state = 0x9e3779b9;
    for (const seed of seeds) this.state = (mix(this.state ^ (seed | 0)) + 0x9e3779b9) | 0;
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    this.state = (this.state + 0x9e3779b9) | 0;
    return mix(this.state) >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.next() / 2 ** 32) * n);
  }

  /** 0 (included) to 1. */
  fraction(): number {
    return this.next() / 2 ** 32;
  }
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

/** Ranks 0 to n - 1 with weights 1 / (rank + 1)^exponent, drawn in constant time (Vose's alias method). */
export class Zipf {
  /** `draw` takes a column `c` below n with the probability `threshold[c]`, else `alias[c]`; who draws elsewhere needs both. */
  readonly threshold: Float64Array;
  readonly alias: Uint32Array;

  constructor(
    readonly n: number,
    exponent: number,
  ) {
    const weights = Float64Array.from({ length: n }, (_, i) => 1 / (i + 1) ** exponent);
    const sum = weights.reduce((a, b) => a + b, 0);
    this.threshold = weights.map((weight) => (weight * n) / sum);
    this.alias = new Uint32Array(n);
    const [small, large]: [number[], number[]] = [[], []];
    this.threshold.forEach((t, i) => (t < 1 ? small : large).push(i));
    for (let s = small.pop(), l = large.pop(); s !== undefined && l !== undefined; s = small.pop()) {
      this.alias[s] = l;
      this.threshold[l]! -= 1 - this.threshold[s]!;
      if (this.threshold[l]! < 1) {
        small.push(l);
        l = large.pop();
      }
    }
    // What is left over differs from 1 by rounding only.
  }

  draw(random: Random): number {
    const column = random.below(this.n);
    return this.threshold[column]! >= 1 || random.fraction() < this.threshold[column]! ? column : this.alias[column]!;
  }
}
