import type { FleetNode } from '@perfleet/api-contract';

/** What a cell's colour says, the worst first: a node is of the first class that fits. */
export const CLASSES = ['silent', 'blind', 'fallback', 'pods', 'containers-only', 'whole-system'] as const;
export type NodeClass = (typeof CLASSES)[number];

export const CLASS_NAMES: Readonly<Record<NodeClass, string>> = {
  silent: 'silent',
  blind: 'not sampling',
  fallback: 'fallback',
  pods: 'pods',
  'containers-only': 'containers only',
  'whole-system': 'whole system',
};

/** What is well is quiet, so that one cell in ten thousand that is not stands out. */
export const CLASS_COLORS: Readonly<Record<NodeClass, string>> = {
  silent: '#ff6b81',
  blind: '#f03e4d',
  fallback: '#ffb224',
  pods: '#1f7a5a',
  'containers-only': '#2f6fa8',
  'whole-system': '#56657f',
};

/** The band at the foot of a cell whose sampler is not the best one; the lower the rung, the higher the band. */
export const RUNG_COLOR = '#c77dff';

export function classOf(node: FleetNode): NodeClass {
  if (!node.alive) return 'silent';
  if (node.rung === 4) return 'blind';
  if (node.fallback) return 'fallback';
  return node.mode;
}

/** Share of the cell that the band covers. */
export function rungBand(node: FleetNode): number {
  if (!node.alive || node.rung === 1 || node.rung === 4) return 0;
  return node.rung === 2 ? 0.34 : 0.62;
}
