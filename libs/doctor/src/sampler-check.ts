import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Finding } from './model.ts';

const RUNGS: Readonly<Record<number, string>> = {
  1: 'eBPF',
  2: 'perf events of the whole system',
  3: 'perf events of own processes',
};

export interface RungProbe {
  readonly rung: number;
  readonly ok: boolean;
  readonly error: string;
}

/** Asks the sampler which rungs of the ladder it can run here. */
export async function checkSampler(binary: string, signal: AbortSignal): Promise<Finding> {
  try {
    await access(binary, constants.X_OK);
  } catch {
    return { status: 'fail', detail: `${binary} is not there or not executable`, fix: 'npm run setup builds it' };
  }
  const probe = await run(binary, ['--probe'], signal);
  return judgeProbe(probe);
}

export function judgeProbe(output: string): Finding {
  const rungs = parseProbe(output);
  if (!rungs)
    return {
      status: 'fail',
      detail: 'the sampler’s probe prints no list of rungs',
      fix: 'npm run setup builds it anew',
    };
  const best = rungs.filter(({ ok }) => ok).sort((a, b) => a.rung - b.rung)[0];
  const above = rungs.filter(({ rung, ok }) => !ok && rung < (best?.rung ?? Infinity));
  const why = above.map(({ rung, error }) => `rung ${rung}: ${error || 'not possible'}`).join('; ');
  if (!best)
    return {
      status: 'fail',
      detail: why || 'no rung can run',
      fix: 'see the checks of capabilities and perf_event_paranoid',
    };
  const detail = `rung ${best.rung} (${RUNGS[best.rung] ?? 'unknown'}) can run`;
  if (best.rung === 1) return { status: 'pass', detail };
  return { status: 'degraded', detail: `${detail}; ${why}`, fix: 'see the checks above for what a better rung needs' };
}

/** The last line that is such an object; null when there is none. */
export function parseProbe(output: string): RungProbe[] | null {
  for (const line of output.trim().split('\n').reverse()) {
    try {
      const { rungs } = JSON.parse(line) as { rungs?: unknown };
      if (!Array.isArray(rungs)) continue;
      return rungs
        .filter((each) => typeof each?.rung === 'number')
        .map(({ rung, ok, error }) => ({ rung, ok: ok === true, error: typeof error === 'string' ? error : '' }));
    } catch {
      continue;
    }
  }
  return null;
}

function run(binary: string, args: string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(binary, args, { signal, killSignal: 'SIGKILL', maxBuffer: 1 << 20 }, (error, stdout, stderr) => {
      if (!error || stdout.includes('"rungs"')) resolve(stdout);
      else reject(new Error(`the sampler’s probe failed: ${(stderr.trim() || error.message).slice(0, 300)}`));
    });
  });
}
