import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeWindow } from '@perfleet/sampler';
import { writeFakeSampler } from '@perfleet/sampler/testing';
import { tempDir, waitFor } from '@perfleet/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';

const dir = tempDir('perfleet-uploads-cli-');
const running: Running[] = [];
let child: ChildProcess | undefined;
afterAll(async () => {
  child?.kill('SIGKILL');
  for (const service of running) await service.stop();
  dir.remove();
});

describe('the services with uploads', () => {
  it('bring a binary from a collector into the store of a symbolizer', async () => {
    const program = join(dir.path, 'sleeper');
    writeFileSync(`${program}.c`, '#include <unistd.h>\nint main(void) { for (;;) pause(); }');
    execFileSync('gcc', ['-g', '-Wl,--build-id', '-o', program, `${program}.c`]);
    const gnu = /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', program], { encoding: 'utf8' }))![1]!;
    child = spawn(program, { stdio: 'ignore' });

    const central = join(dir.path, 'central');
    const symbolizer = await startPerfleet([
      'symbolizer',
      '--data',
      central,
      '--upload-port',
      '0',
      '--local-files',
      'no',
    ]);
    running.push(symbolizer);
    const url = urlIn(symbolizer.line);
    const made = await runPerfleet(['token', 'create', '--node', 'edge', '--expires', '1d', '--data', central]);
    const tokenFile = join(dir.path, 'token');
    writeFileSync(tokenFile, made.out);

    const stack = [{ kind: 'native' as const, binary: { path: program, gnuBuildId: gnu }, address: 1n }];
    const samples = [{ process: { pid: child.pid!, executable: program }, count: 1, stack }];
    const time = { start: 1n, end: 2n, period: 1n };
    const sampler = writeFakeSampler(dir.path, {
      behaviour: 'steady',
      windows: [encodeWindow({ taken: 1, lost: {}, samples, ...time })],
      everyMs: 50,
    });
    const upload = ['--upload-url', url, '--upload-token-file', tokenFile];
    running.push(
      await startPerfleet(['collector', '--node', 'edge', '--data', join(dir.path, 'edge'), ...upload], {
        PERFLEET_SAMPLER_BINARY: sampler,
      }),
    );
    const place = join(central, 'binaries', `gnu-${gnu}`);
    await waitFor(() => existsSync(place) && readdirSync(place).length === 2, {
      timeoutMs: 60_000,
      what: 'the binary in the store',
    });
  });

  it.each([
    [
      ['collector', '--upload-url', 'http://x'],
      'PERFLEET_UPLOAD_TOKEN_FILE is missing: make one with `perfleet token create',
    ],
    [['collector', '--upload-token-file', '/x'], 'PERFLEET_UPLOAD_URL is missing'],
    [
      ['collector', '--upload-url', 'http://x', '--upload-token-file', '/nowhere'],
      'PERFLEET_UPLOAD_TOKEN_FILE=/nowhere: cannot be read',
    ],
    [['symbolizer', '--upload-port', '0', '--upload-tls-cert-file', '/x'], 'PERFLEET_UPLOAD_TLS_KEY_FILE is missing'],
    [
      ['symbolizer', '--upload-port', '0', '--binary-store', 's3://'],
      'PERFLEET_BINARY_STORE=s3://: must be s3://bucket/prefix',
    ],
    [['symbolizer', '--upload-port', 'many'], 'a port from 0 to 65535, or off'],
  ])('%j says what is missing', async (args, message) => {
    const { code, err } = await runPerfleet([...args, '--data', join(dir.path, 'bad')]);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err, 'no stack trace').not.toMatch(/^\s+at /m);
  });
});
