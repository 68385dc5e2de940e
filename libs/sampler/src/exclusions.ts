/** A cgroup as samples carry it: of version 2, or of the one version 1 hierarchy that the sampler reads. */
export interface CgroupKey {
  readonly hierarchy: 'v2' | 'v1';
  /** Cgroup id (inode). */
  readonly id: bigint;
}

/** Of the set of cgroups whose samples the sampler counts as `filtered` without looking at them. */
export interface ExclusionChange {
  /** Before the rest: the set becomes empty. */
  readonly clear: boolean;
  readonly add: readonly CgroupKey[];
  readonly remove: readonly CgroupKey[];
}

/** A line of the pipe holds 64 KiB at most. */
const IDS_A_LINE = 500;

/** Ids as the pipe has them: decimal texts, since they have 64 bits. */
export function inPieces(keys: readonly CgroupKey[]): Array<{ readonly v2: string[]; readonly v1: string[] }> {
  const pieces = [];
  for (let at = 0; at < keys.length; at += IDS_A_LINE) {
    const piece = keys.slice(at, at + IDS_A_LINE);
    const of = (hierarchy: CgroupKey['hierarchy']) =>
      piece.filter((key) => key.hierarchy === hierarchy).map(({ id }) => String(id));
    pieces.push({ v2: of('v2'), v1: of('v1') });
  }
  return pieces;
}
