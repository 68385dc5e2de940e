import { access, rm, statfs, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Finding } from './model.ts';

/** Low water of a data directory, bytes. */
const LOW_SPACE = 1 << 30;

/** One reachable broker is enough to find the others. */
export async function checkBroker(brokers: string, signal: AbortSignal): Promise<Finding> {
  const wanted = brokers
    .split(',')
    .map((each) => each.trim())
    .filter(Boolean);
  const failed: string[] = [];
  const results = await Promise.allSettled(wanted.map((address) => reach(address, signal)));
  results.forEach((result, i) => {
    if (result.status === 'rejected') failed.push(`${wanted[i]}: ${(result.reason as Error).message}`);
  });
  const detail = `${wanted.length - failed.length} of ${wanted.length} reachable`;
  if (failed.length === 0 && wanted.length > 0) return { status: 'pass', detail };
  const all = failed.length === wanted.length;
  return {
    status: all ? 'fail' : 'degraded',
    detail: [detail, ...failed].join('; '),
    fix: 'start the broker, or correct the list of brokers; until then the collector spools to disk',
  };
}

function reach(address: string, signal: AbortSignal): Promise<void> {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  if (!match || Number(match[3]) > 65_535) return Promise.reject(new Error('not host:port'));
  return new Promise((resolve, reject) => {
    const socket = connect({ host: match[1] ?? match[2]!, port: Number(match[3]), signal }, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

/** By every form of address that the services take: one server, sentinels, a cluster. */
export async function checkRedis(url: string, timeoutMs: number): Promise<Finding> {
  try {
    const { pingRedis } = await import('@perfleet/node-state/ping');
    const answer = await pingRedis(url, timeoutMs);
    return { status: answer === 'PONG' ? 'pass' : 'degraded', detail: `answers ${answer}` };
  } catch (error) {
    const { message } = error as Error;
    return { status: 'fail', detail: message, fix: 'start Redis, or correct its address; sampling goes on without it' };
  }
}

export async function checkClickHouse(url: string, signal: AbortSignal): Promise<Finding> {
  const fix = 'start ClickHouse, or correct its address';
  try {
    const response = await fetch(new URL('/ping', url), { signal });
    await response.body?.cancel();
    if (response.ok) return { status: 'pass', detail: 'answers' };
    return { status: 'fail', detail: `answered ${response.status}`, fix };
  } catch (error) {
    const { message, cause } = error as Error;
    return { status: 'fail', detail: cause instanceof Error ? cause.message || message : message, fix };
  }
}

/** Makes no directory: where it does not exist yet, what counts is the directory that it would be made in. */
export async function checkDataDir(dir: string): Promise<Finding> {
  const fix = `make ${dir} writable for this user, or choose another directory`;
  const existing = await nearestDirectory(resolve(dir));
  const file = join(existing, `.perfleet-doctor-${process.pid}`);
  try {
    // Root passes access() even on a read-only file system, so write.
    await writeFile(file, 'x', { flag: 'wx' });
    await rm(file, { force: true });
  } catch (error) {
    return { status: 'fail', detail: (error as Error).message, fix };
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const detail = `${existing} is writable, ${(free / 2 ** 30).toFixed(1)} GiB free`;
  return free < LOW_SPACE ? { status: 'degraded', detail, fix: 'free at least 1 GiB' } : { status: 'pass', detail };
}

async function nearestDirectory(path: string): Promise<string> {
  for (let dir = path; ; dir = dirname(dir)) {
    try {
      await access(dir);
      return dir;
    } catch {
      if (dirname(dir) === dir) return dir;
    }
  }
}
