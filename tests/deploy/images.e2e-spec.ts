import { spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, requireTool, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../support/shares.ts';
import { repository } from '../support/workloads.ts';
import { ImageBuild } from './image-build.ts';

/*
 * The steps of deploy/images/Dockerfile, run in directories: there is no engine here. What an image lacks shows as it would on the
 * first node. `PERFLEET_TEST_NPM_CI=yes` (npm run test:images) has `npm ci` run as well; CI takes the packages that are there.
 */
const mounts = spawnSync('unshare', ['--mount', 'true']).status === 0;
const reason = mounts ? requireTool('tar').reason : 'it needs root, for mounts of its own';

describe.skipIf(reason !== '')(`images${reason && ` (skipped: ${reason})`}`, () => {
  // Hard links reach no other file system.
  const directory = join(repository, '.cache/images');
  const images = new ImageBuild(directory, 'deploy/images/Dockerfile', process.env['PERFLEET_TEST_NPM_CI'] === 'yes');
  const started: ChildProcess[] = [];
  beforeAll(() => void images.build('collector'), 600_000);
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  const run = async (name: string, args: string[], env: Record<string, string> = {}) => {
    const image = images.build(name);
    const child = images.start(image, [...image.entrypoint, ...args], env);
    let out = '';
    child.stdout!.on('data', (data) => (out += String(data)));
    child.stderr!.on('data', (data) => (out += String(data)));
    const code = await new Promise<number | null>((resolve) => child.on('close', (status) => resolve(status)));
    return { code, out };
  };

  it('of the services starts as a user without rights, and names what it misses', async () => {
    const image = images.build('service');
    expect(image.user).toBe('node');
    const { code, out } = await run('service', ['aggregator'], { PERFLEET_KAFKA_BROKERS: '127.0.0.1:1' });
    expect(out).toMatch(/^perfleet: /m);
    expect(out).not.toMatch(/ERR_MODULE_NOT_FOUND|Cannot find/);
    expect(code).toBe(1);
  });

  it('of the collector has its sampler', async () => {
    const { out } = await run('collector', ['doctor', '--json']);
    const checks = JSON.parse(out) as Array<{ name: string; status: string }>;
    expect(checks.find(({ name }) => name === 'sampler')).toMatchObject({ status: 'pass' });
  });

  it('holds everything that the parts need: engine, migrations, page and sampler', async () => {
    const image = images.build('collector');
    const port = await freePort();
    mkdirSync(join(image.root, 'data'));
    const args = ['up', '--data', '/data', '--http-port', String(port)];
    const child = images.start(image, [...image.entrypoint, ...args], {
      PERFLEET_HTTP_HOST: '127.0.0.1',
      PERFLEET_OTLP_HOST: '127.0.0.1',
    });
    started.push(child);
    let log = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data) => (log += String(data)));
    const server = `http://127.0.0.1:${port}`;
    const ended = new Promise((_, reject) => child.on('close', () => reject(new Error(`it ended:\n${log}`))));
    const seen = async () => {
      const page = { timeoutMs: 60_000, what: 'the page' };
      await waitFor(async () => (await (await fetch(server)).text()).includes('<script'), page);
      const query = "SELECT count() FROM profiles WHERE type = 'cpu'";
      const samples = { timeoutMs: 60_000, what: 'samples in the store' };
      await waitFor(async () => Number((await sql(server, query)).rows[0]![0]) > 0, samples);
    };
    await Promise.race([seen(), ended]);
    ended.catch(() => undefined);
    child.kill('SIGINT');
    await new Promise((resolve) => child.on('close', resolve));
  });
});
