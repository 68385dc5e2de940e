/** Hue range, saturation and lightness by profile.frame.type: warm for what runs on the CPU directly, cool for managed code. */
const KINDS: Record<string, { hue: number; spread: number; saturation: number; lightness: number }> = {
  native: { hue: 30, spread: 22, saturation: 72, lightness: 60 },
  kernel: { hue: 4, spread: 12, saturation: 62, lightness: 62 },
  v8js: { hue: 152, spread: 26, saturation: 45, lightness: 56 },
  jit: { hue: 190, spread: 20, saturation: 48, lightness: 58 },
  jvm: { hue: 190, spread: 24, saturation: 48, lightness: 58 },
  cpython: { hue: 210, spread: 22, saturation: 58, lightness: 64 },
  go: { hue: 188, spread: 16, saturation: 55, lightness: 58 },
  process: { hue: 222, spread: 14, saturation: 18, lightness: 62 },
};
const OTHER = { hue: 268, spread: 30, saturation: 34, lightness: 66 };

function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h >>> 0) / 4294967296;
}

const cache = new Map<string, string>();

/** Colour of a frame: the kind gives the family, the module (or the name) the shade, so one library has one colour. */
export function frameColor(kind: string, module: string, name: string): string {
  const key = `${kind}\0${module || name}`;
  let color = cache.get(key);
  if (color === undefined) {
    const base = KINDS[kind] ?? OTHER;
    const shade = hash(module || name);
    const hue = base.hue + (shade - 0.5) * 2 * base.spread;
    color = `hsl(${hue.toFixed(0)} ${base.saturation}% ${(base.lightness + (hash(key) - 0.5) * 10).toFixed(0)}%)`;
    if (cache.size > 20_000) cache.clear();
    cache.set(key, color);
  }
  return color;
}

export const KIND_NAMES: ReadonlyArray<readonly [string, string]> = [
  ['native', 'native'],
  ['kernel', 'kernel'],
  ['v8js', 'JavaScript'],
  ['process', 'process'],
];
