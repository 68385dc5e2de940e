import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/**
 * Arguments of a run on request. `--help` prints the usage and ends with 0; what is not known says so with the usage and ends with 2.
 * @param usage lines as they are printed, the command first
 */
export function runArguments<T extends ParseArgsOptionsConfig>(usage: string, options: T) {
  const help = { help: { type: 'boolean', short: 'h' } } as const;
  try {
    const { values } = parseArgs({ options: { ...options, ...help } });
    if (!(values as { help?: boolean }).help) return parseArgs({ options }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
  process.stdout.write(usage);
  process.exit(0);
}
