/** A cgroup as samples carry it: of version 2, or of the one version 1 hierarchy that the sampler reads. */
export interface CgroupKey {
  readonly hierarchy: 'v2' | 'v1';
  /** Cgroup id (inode). */
  readonly id: bigint;
}

/** Of a cgroup one sample in so many is kept; 0 = none. */
export interface ThinnedCgroup extends CgroupKey {
  readonly oneIn: number;
}

/** Of the set of cgroups whose samples the sampler counts as `filtered` without looking at them, all or most of them. */
export interface ExclusionChange {
  /** Before the rest: the set becomes empty. */
  readonly clear: boolean;
  readonly add: readonly ThinnedCgroup[];
  readonly remove: readonly CgroupKey[];
}

/** A line of the pipe holds 64 KiB at most. */
const IDS_A_LINE = 500;

/** Ids as the pipe has them: decimal texts, since they have 64 bits. */
function inPieces(keys: readonly CgroupKey[]): Array<{ readonly v2: string[]; readonly v1: string[] }> {
  const pieces = [];
  for (let at = 0; at < keys.length; at += IDS_A_LINE) {
    const piece = keys.slice(at, at + IDS_A_LINE);
    const of = (hierarchy: CgroupKey['hierarchy']) =>
      piece.filter((key) => key.hierarchy === hierarchy).map(({ id }) => String(id));
    pieces.push({ v2: of('v2'), v1: of('v1') });
  }
  return pieces;
}

/** The lines that make a change, in their order. */
export function exclusionCommands({ clear, add, remove }: ExclusionChange): object[] {
  const commands: object[] = clear ? [{ exclude: { clear: true } }] : [];
  for (const oneIn of new Set(add.map((key) => key.oneIn))) {
    const ids = inPieces(add.filter((key) => key.oneIn === oneIn));
    commands.push(...ids.map((piece) => ({ exclude: oneIn === 0 ? piece : { ...piece, oneIn } })));
  }
  commands.push(...inPieces(remove).map((piece) => ({ include: piece })));
  return commands;
}
