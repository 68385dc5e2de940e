import type { Check, Finding } from './model.ts';

/** Runs one check: an error or a silence is a finding too. Never rejects, and ends in time. */
export async function bounded(
  name: string,
  timeoutMs: number,
  check: (signal: AbortSignal) => Promise<Finding>,
): Promise<Check> {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      resolve({ status: 'fail', detail: `no answer within ${timeoutMs} ms` });
      stop.abort(new Error('timed out'));
    }, timeoutMs);
  });
  try {
    const running = check(stop.signal);
    running.catch(() => undefined);
    return { name, ...(await Promise.race([running, late])) };
  } catch (cause) {
    return { name, status: 'fail', detail: cause instanceof Error ? cause.message : String(cause) };
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
