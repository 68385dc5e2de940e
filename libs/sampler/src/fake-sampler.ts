import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FRAME_TYPES } from './frames.ts';

/**
 * A real process that speaks the pipe protocol, for tests of what supervises one.
 *
 * - `steady` sends `windows` (base64 payloads) every `everyMs`, and a last one on stop
 * - `crash` says hello, logs a line and kills itself with SIGSEGV
 * - `crash-above:N` crashes on rungs better than N, is steady on N and below
 * - `exit:N` says hello and ends with that code, `hang` sends its windows and then nothing more, `hog` eats memory
 * - `garbage` writes bytes that are no frame, `silent` says hello and nothing more, `deaf` ignores stop
 */
export type FakeBehaviour =
  'steady' | 'crash' | `crash-above:${number}` | 'garbage' | 'silent' | 'deaf' | `exit:${number}` | 'hang' | 'hog';

/** Writes the script into `dir`. @returns its path */
export function writeFakeSampler(
  dir: string,
  options: { behaviour: FakeBehaviour; windows?: readonly Uint8Array[]; everyMs?: number },
): string {
  const path = join(dir, `fake-sampler-${options.behaviour.replace(':', '-')}`);
  const settings = {
    behaviour: options.behaviour,
    everyMs: options.everyMs ?? 50,
    windows: (options.windows ?? []).map((w) => Buffer.from(w).toString('base64')),
  };
  writeFileSync(path, `#!${process.execPath}\n${script(JSON.stringify(settings))}`);
  chmodSync(path, 0o755);
  return path;
}

function script(settings: string): string {
  return `
const { behaviour, everyMs, windows } = ${settings};
const { writeSync } = require('node:fs');
const args = process.argv.slice(2);
const asked = args[args.indexOf('--rung') + 1];
const rung = asked === 'auto' ? 1 : Number(asked) || 1;
const send = (type, payload) => {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(payload.length + 1, 0);
  head[4] = type;
  writeSync(1, Buffer.concat([head, payload]));
};
const json = (type, value) => send(type, Buffer.from(JSON.stringify(value)));
if (behaviour === 'garbage') {
  writeSync(1, Buffer.alloc(64, 0xff));
} else {
  const rateHz = Number(args[args.indexOf('--rate') + 1]) || 0;
  json(${FRAME_TYPES.hello}, { protocol: 1, rung, reason: '', kernel: 'fake', cpus: 2, rateHz, event: 'cpu-clock' });
  const limit = behaviour.startsWith('crash-above:') ? Number(behaviour.split(':')[1]) : behaviour === 'crash' ? 99 : 0;
  if (rung < limit) {
    json(${FRAME_TYPES.log}, { level: 'error', message: 'map lookup failed on rung ' + rung });
    process.kill(process.pid, 'SIGSEGV');
  }
}
let next = 0;
const sendWindow = () => { if (next < windows.length) send(${FRAME_TYPES.window}, Buffer.from(windows[next++], 'base64')); };
if (behaviour.startsWith('exit:')) process.exit(Number(behaviour.split(':')[1]));
if (behaviour === 'hog') setInterval(() => (globalThis.eaten ??= []).push(Buffer.alloc(8 << 20, 1)), 1);
if (behaviour !== 'silent') setInterval(() => {
  if (behaviour === 'hang' && next >= windows.length) return;
  sendWindow();
  json(${FRAME_TYPES.stats}, { taken: next, lost: {}, cpuMs: 1, rssKb: 1, processes: 1 });
}, everyMs);
else setInterval(() => {}, 1000);
const stop = () => { if (behaviour === 'deaf') return; sendWindow(); process.exit(0); };
let text = '';
process.stdin.on('data', (chunk) => {
  text += chunk;
  for (let at; (at = text.indexOf('\\n')) >= 0; text = text.slice(at + 1)) {
    const command = JSON.parse(text.slice(0, at));
    if (command.rateHz) json(${FRAME_TYPES.log}, { level: 'info', message: 'rate ' + command.rateHz });
    if (command.stop) stop();
  }
});
process.stdin.on('end', stop);
`;
}
