/** One instruction of a Dockerfile, its lines joined. */
export interface Instruction {
  /** In capitals: COPY, RUN, … */
  readonly name: string;
  readonly text: string;
}

/** What a FROM begins. */
export interface Stage {
  readonly name: string;
  /** An earlier stage or an image of others. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

/**
 * Stages of a Dockerfile that uses no heredocs and no parser directives; BuildKit's own parser checks its syntax elsewhere.
 * Format: the Dockerfile reference of Docker's documentation.
 */
export function parseDockerfile(text: string): Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replace(/\\\n/g, ' ');
  const stages: Array<Stage & { instructions: Instruction[] }> = [];
  for (const line of lines.split('\n')) {
    const [, name, rest] = /^\s*(\S+)\s+(.*)$/.exec(line)!;
    if (name!.toUpperCase() === 'FROM') {
      const [, from, alias] = /^(\S+)(?:\s+as\s+(\S+))?$/i.exec(rest!.trim())!;
      stages.push({ name: alias ?? from!, from: from!, instructions: [] });
    } else stages.at(-1)!.instructions.push({ name: name!.toUpperCase(), text: rest!.trim() });
  }
  return stages;
}
