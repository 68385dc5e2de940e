/** `npm start`: installs what is missing, then profiles this machine and serves the page. Arguments go to `perfleet up`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { nodeBinary, root } from './steps.mjs';
import { setup } from './setup.mjs';

try {
  await setup();
} catch (error) {
  process.stderr.write(`perfleet: ${error.message}\n`);
  process.exit(1);
}
const child = spawn(nodeBinary, [join(root, 'bin/perfleet.mjs'), 'up', ...process.argv.slice(2)], { stdio: 'inherit' });
// The terminal sends Ctrl-C to the whole group; what is left to do here is to wait for the child's own shutdown.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
