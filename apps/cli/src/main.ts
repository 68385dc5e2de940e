import 'reflect-metadata';
import { Command, CommanderError, Option } from 'commander';
import { useToken } from './api-client.ts';
import { describeError } from './errors.ts';

const program = new Command('perfleet')
  .description('Cluster-wide continuous profiler: eBPF samples, SQL over profiles, alerts on nodes in fallback mode')
  .version('0.1.0')
  .showHelpAfterError('(add --help for the options)')
  .addHelpText(
    'after',
    '\nEvery flag has its variable: --http-port is PERFLEET_HTTP_PORT. `perfleet COMMAND --help` tells more.',
  )
  .exitOverride();

type Register = (program: Command) => void | Promise<void>;

const services = async () => (await import('./commands/services.ts')).registerServices;
const queries = async () => (await import('./commands/query.ts')).registerQuery;
/** What registers each command, loaded for that command only: a start on a busy node waits for every module. In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  up: async () => (await import('./commands/up.ts')).registerUp,
  collector: services,
  symbolizer: services,
  aggregator: services,
  api: services,
  clickhouse: services,
  record: async () => (await import('./commands/record.ts')).registerRecord,
  discover: async () => (await import('./commands/discover.ts')).registerDiscover,
  doctor: async () => (await import('./commands/doctor.ts')).registerDoctor,
  query: queries,
  sql: queries,
  nodes: async () => (await import('./commands/nodes.ts')).registerNodes,
  config: async () => (await import('./commands/config.ts')).registerConfig,
  bench: async () => (await import('./commands/bench.ts')).registerBench,
  simulate: async () => (await import('./commands/simulate.ts')).registerSimulate,
  token: async () => (await import('./commands/token.ts')).registerToken,
  unresolved: async () => (await import('./commands/unresolved.ts')).registerUnresolved,
  compare: async () => (await import('./commands/compare.ts')).registerCompare,
  dead: async () => (await import('./commands/dead.ts')).registerDead,
  admin: async () => (await import('./commands/admin.ts')).registerAdmin,
};
const name = process.argv[2] ?? '';
const wanted = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]!] : new Set(Object.values(COMMANDS));
for (const load of wanted) await (await load())(program);
const withCommands = (command: Command): Command[] => [command, ...command.commands.flatMap(withCommands)];
for (const command of withCommands(program)) {
  command.exitOverride();
  // Whatever asks an API may need a token there.
  if (command.options.some(({ long }) => long === '--server'))
    command.addOption(
      new Option('--token <token>', 'token for the API; the variable keeps it out of lists of processes').env(
        'PERFLEET_TOKEN',
      ),
    );
}
program.hook('preAction', (_, command) => useToken(command.opts<{ token?: string }>().token));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  process.stderr.write(`perfleet: ${describeError(error)}\n`);
  process.exit(1);
}
