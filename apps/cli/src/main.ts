import 'reflect-metadata';
import { Command, CommanderError, Option } from 'commander';
import { useToken } from './api-client.ts';
import { registerAdmin } from './commands/admin.ts';
import { registerBench } from './commands/bench.ts';
import { registerCompare } from './commands/compare.ts';
import { registerConfig } from './commands/config.ts';
import { registerDead } from './commands/dead.ts';
import { registerDiscover } from './commands/discover.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerNodes } from './commands/nodes.ts';
import { registerQuery } from './commands/query.ts';
import { registerRecord } from './commands/record.ts';
import { registerServices } from './commands/services.ts';
import { registerSimulate } from './commands/simulate.ts';
import { registerToken } from './commands/token.ts';
import { registerUnresolved } from './commands/unresolved.ts';
import { registerUp } from './commands/up.ts';
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

const commands = [registerUp, registerServices, registerRecord, registerDiscover, registerDoctor, registerQuery];
for (const register of [
  ...commands,
  registerNodes,
  registerConfig,
  registerBench,
  registerSimulate,
  registerToken,
  registerUnresolved,
  registerCompare,
  registerDead,
  registerAdmin,
])
  await register(program);
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
