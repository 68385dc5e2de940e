import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { freePort, tempDir } from '@perfleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { bestRung, runPerfleet } from '../support/perfleet.ts';
import { repository } from '../support/workloads.ts';

interface Layout {
  readonly name: string;
  readonly processes: Array<{ name: string; expected: Record<string, string | null> }>;
  readonly expectedNode?: { mode: string; podRoots: string[] } | null;
}

const dir = tempDir();
afterAll(() => dir.remove());

/** Our own layouts are in the repository; the shared corpus lies beside the clone, where it is. */
const files = [
  ['the layouts of libs/cgroup', join(repository, 'libs/cgroup/fixtures/layouts.json')],
  ['the shared corpus', join(repository, '../shared/cgroup-corpus/layouts.json')],
] as const;

describe('perfleet discover', () => {
  const replays = (file: string) => async () => {
    const layouts = JSON.parse(readFileSync(file, 'utf8')) as Layout[];
    const { code, out } = await runPerfleet(['discover', '--replay', file, '--json']);
    expect(code).toBe(0);
    const results = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, never>);
    expect(results.map(({ name }) => name)).toEqual(layouts.map(({ name }) => name));
    layouts.forEach((layout, i) => {
      const { mode, podRoots, reason, processes } = results[i] as unknown as {
        mode: string;
        podRoots: string[];
        reason: string;
        processes: Array<Record<string, unknown>>;
      };
      expect(reason, layout.name).not.toBe('');
      if (layout.expectedNode) expect({ mode, podRoots }, layout.name).toEqual(layout.expectedNode);
      const named = processes.map(({ name, podUid, containerId, qos }) => ({ name, podUid, containerId, qos }));
      expect(named, layout.name).toEqual(layout.processes.map(({ name, expected }) => ({ name, ...expected })));
      for (const process of processes)
        expect(Object.keys(process).sort()).toEqual(['containerId', 'infra', 'name', 'podUid', 'qos', 'runtime']);
    });
    const people = await runPerfleet(['discover', '--replay', file]);
    expect(people.out.trim().split('\n')).toHaveLength(layouts.length);
  };
  for (const [what, file] of files) {
    const why = existsSync(file) ? '' : ' (skipped: it is not beside this clone)';
    it.skipIf(why !== '')(`replays ${what} as it should be${why}`, replays(file));
  }

  it('captures this node without secrets, and the capture replays to the same answer', async () => {
    const canary = `canary-${process.pid}`;
    const { code, out } = await runPerfleet(['discover', '--capture'], { PERFLEET_CANARY: canary });
    expect(code).toBe(0);
    expect(out).not.toContain(canary);
    expect(out).not.toMatch(new RegExp(`(?<![\\w-])${hostname()}(?![\\w-])`));
    expect(out).not.toContain('--capture');
    const file = join(dir.path, 'capture.json');
    writeFileSync(file, out);
    const replayed = await runPerfleet(['discover', '--replay', file, '--json']);
    const live = JSON.parse((await runPerfleet(['discover', '--json'])).out) as { mode: string; podRoots: string[] };
    expect(JSON.parse(replayed.out)).toMatchObject({ name: 'capture', mode: live.mode, podRoots: live.podRoots });
  });

  it('tells people the mode, why, and every hierarchy', async () => {
    const { out } = await runPerfleet(['discover']);
    expect(out).toMatch(/^mode {7}(pods|containers-only|whole-system)/);
    for (const part of ['why ', 'cgroup hierarchies: ', 'pods: ', 'containers outside pods: ', 'unattributed: '])
      expect(out).toContain(part);
  });

  it('says in one line what is wrong with a file', async () => {
    const file = join(dir.path, 'bad.json');
    for (const [text, message] of [
      ['{', /is not JSON; write one with/],
      ['[1]', /entry 1 is no capture/],
      [null, /no such file/i],
    ] as const) {
      if (text !== null) writeFileSync(file, text);
      const { code, err } = await runPerfleet(['discover', '--replay', text === null ? `${file}.none` : file]);
      expect([code, err.trim().split('\n').length]).toEqual([1, 1]);
      expect(err).toMatch(message);
    }
  });
});

describe('perfleet doctor', () => {
  interface Check {
    readonly name: string;
    readonly status: string;
    readonly fix?: string;
  }
  const doctor = async (args: string[]) => {
    const { code, out } = await runPerfleet(['doctor', '--json', '--data', dir.path, ...args]);
    return { code, checks: JSON.parse(out) as Check[] };
  };

  it('exits with 0 exactly when some rung can run', async () => {
    const { code, checks } = await doctor([]);
    expect(code).toBe(bestRung() < 4 ? 0 : 1);
    expect(checks.find(({ name }) => name === 'sampler')?.status).toBe(
      ['pass', 'degraded', 'degraded', 'fail'][bestRung() - 1],
    );
    expect(checks.map(({ name }) => name)).not.toContain('broker');
    const without = await runPerfleet(['doctor', '--data', dir.path], { PERFLEET_SAMPLER_BINARY: '/nowhere' });
    expect(without.code).toBe(1);
    expect(without.out).toMatch(/fail +sampler[\s\S]*fix: /);
  });

  it('checks the services that are configured, and a service that is away fails no sampling', async () => {
    const port = await freePort();
    const { code, checks } = await doctor([
      ...['--kafka-brokers', `127.0.0.1:${port}`, '--redis-url', `redis://127.0.0.1:${port}`],
      ...['--clickhouse-url', `http://127.0.0.1:${port}`],
    ]);
    for (const name of ['broker', 'redis', 'clickhouse'])
      expect(checks.find((check) => check.name === name)).toMatchObject({ status: 'fail', fix: expect.any(String) });
    expect(code).toBe(bestRung() < 4 ? 0 : 1);
  });
});
