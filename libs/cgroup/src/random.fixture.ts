/** mulberry32: a run can be repeated by its seed. */
export function random(seed: number) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (n: number) => Math.floor(next() * n);
  const pick = <T>(items: readonly T[]): T => items[int(items.length)]!;
  const hex = (digits: number) => Array.from({ length: digits }, () => '0123456789abcdef'[int(16)]).join('');
  return { int, pick, hex, chance: (p: number) => next() < p };
}
export type Random = ReturnType<typeof random>;

export const uuid = ({ hex }: Random) => [8, 4, 4, 4, 12].map(hex).join('-');
