import { statSync, writeFileSync } from 'node:fs';
import { samplerBinaryPath, spawnSampler, type SamplerExit, type SamplerHello } from '@perfleet/sampler';
import { createSymbolizer } from '@perfleet/symbols';
import { parseDuration, wholeNumber } from '../commands/arguments.ts';
import { encodeRecording, formatOf } from './encode.ts';
import { Recording } from './recording.ts';
import { nameFrames } from './symbolize.ts';

export interface RecordFlags {
  duration: string;
  pid?: string;
  rate: string;
  rung?: string;
  offCpu?: boolean;
  output: string;
}

/** Samples for a time, names the frames and writes the file; ends the process. */
export async function record(flags: RecordFlags): Promise<void> {
  const format = formatOf(flags.output);
  const seconds = parseDuration('--duration', flags.duration);
  const rate = wholeNumber('--rate', flags.rate, 1, 9999);
  const args = ['--rate', String(rate), '--window', '1'];
  if (flags.pid !== undefined) args.push('--pid', String(runningPid(flags.pid)));
  if (flags.rung !== undefined) args.push('--rung', flags.rung);
  if (flags.offCpu) args.push('--off-cpu');

  const recording = new Recording();
  recording.offCpu = flags.offCpu === true;
  const sampler = spawnSampler({ binary: samplerBinaryPath(process.env['PERFLEET_SAMPLER_BINARY']), args });
  let hello: SamplerHello | undefined;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => void sampler.stop();
  process.once('SIGINT', stop);
  sampler.on('hello', (said) => {
    hello = said;
    if (said.rung === 4) return stop();
    process.stderr.write(
      `recording ${seconds} s at ${rate} Hz, rung ${said.rung}${said.reason ? ` (${said.reason})` : ''} …\n`,
    );
    timer = setTimeout(stop, seconds * 1000);
  });
  sampler.on('window', (window) => recording.add(window));
  const exit = await new Promise<SamplerExit>((resolve) => sampler.once('exit', resolve));
  clearTimeout(timer);
  process.removeListener('SIGINT', stop);

  if (exit.error || !hello)
    throw new Error(
      `the sampler did not run: ${exit.error?.message ?? (exit.lastLog || `exit code ${exit.code}`)}; \`perfleet doctor\` tells what is missing`,
    );
  if (hello.rung === 4)
    throw new Error(`nothing can be sampled here: ${hello.reason}; \`perfleet doctor\` tells the fix`);
  const samples = [...recording.samples].reduce((sum, sample) => sum + sample.count, 0);
  const blocked = [...recording.samples].reduce((sum, sample) => sum + Number(sample.offCpuNano), 0);
  if (samples === 0 && blocked === 0) {
    throw new Error(
      flags.pid === undefined
        ? 'no samples: every CPU was idle for the whole time'
        : `no samples: process ${flags.pid} used no CPU for ${seconds} s; record longer, or at a higher --rate`,
    );
  }
  const warnings: string[] = [];
  const symbolizer = createSymbolizer({ cacheEntries: 256, onWarning: (message: string) => warnings.push(message) });
  const names = await nameFrames(recording, symbolizer);
  writeFileSync(flags.output, encodeRecording(format, recording, names));
  for (const warning of warnings.slice(0, 5)) process.stderr.write(`warning: ${warning}\n`);
  const lost = Object.values(recording.lost).reduce((sum, count) => sum + count, 0);
  process.stderr.write(
    `${samples} samples${flags.offCpu ? `, ${(blocked / 1e9).toFixed(1)} s blocked` : ''}${lost > 0 ? `, ${lost} lost` : ''} -> ${flags.output} (${statSync(flags.output).size} bytes)\n`,
  );
  process.exit(0);
}

function runningPid(text: string): number {
  const pid = wholeNumber('--pid', text, 1, 4194304);
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') throw new Error(`--pid ${pid}: no such process`);
  }
  return pid;
}
