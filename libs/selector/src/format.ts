import type { Selector } from './model.ts';

/** The canonical text of a selector; `parseSelector` of it gives the selector back. */
export function formatSelector({ type, matchers }: Selector): string {
  const inside = matchers.map(({ label, op, value }) => `${name(label)}${op}${quote(value)}`).join(', ');
  return `${type}{${inside}}`;
}

function name(label: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.]*$/.test(label) ? label : quote(label);
}

function quote(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
