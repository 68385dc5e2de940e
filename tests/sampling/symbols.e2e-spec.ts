import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TopResponse, UnresolvedBinariesResponse } from '@perfleet/api-contract';
import { requireTool, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { runPerfleet, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';

const SOURCE = `
volatile unsigned long sink;
__attribute__((noinline)) void burn_here(unsigned long n) { for (unsigned long i = 0; i < n; i++) sink += i * i; }
int main(void) { for (;;) burn_here(1000000); }
`;

describe('names of stripped programs', () => {
  let dir: string;
  let debuginfod: Server;
  let up: Running;
  let server: string;
  const children: ChildProcess[] = [];

  /** A stripped program at work. @returns its build id */
  const burn = (name: string) => {
    const path = join(dir, name);
    writeFileSync(`${path}.c`, `${SOURCE}\nconst char *name = "${name}";\n`);
    execFileSync('gcc', [
      '-O1',
      '-g',
      '-static',
      '-fno-omit-frame-pointer',
      '-Wl,--build-id',
      '-o',
      `${path}.full`,
      `${path}.c`,
    ]);
    execFileSync('objcopy', ['--only-keep-debug', `${path}.full`, `${path}.debug`]);
    execFileSync('strip', ['-o', path, `${path}.full`]);
    children.push(spawn(path, { stdio: 'ignore' }));
    return /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', path], { encoding: 'utf8' }))![1]!;
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'perfleet-names-'));
    const served = burn('burn-served');
    burn('burn-nameless');
    debuginfod = createServer((request, response) => {
      const known = request.url === `/buildid/${served}/debuginfo`;
      response.writeHead(known ? 200 : 404).end(known ? readFileSync(join(dir, 'burn-served.debug')) : undefined);
    });
    await new Promise<void>((resolve) => debuginfod.listen(0, '127.0.0.1', resolve));
    const urls = `http://127.0.0.1:${(debuginfod.address() as AddressInfo).port}`;
    up = await startPerfleet(['up', '--http-port', '0', '--data', join(dir, 'data'), '--rate', '99'], {
      PERFLEET_DEBUGINFOD_URLS: urls,
    });
    server = urlIn(up.line).replace(/\/$/, '');
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await up?.stop('SIGKILL');
    debuginfod?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('come from a debuginfod server', async () => {
    await waitFor(
      async () => {
        const query = new URLSearchParams({ query: 'cpu{process="burn-served"}', from: 'now-15m' });
        const top = (await (await fetch(`${server}/api/v1/top?${query}`)).json()) as TopResponse;
        return top.functions[0]?.function === 'burn_here' && top.functions[0].file.endsWith('burn-served.c');
      },
      { timeoutMs: 120_000, intervalMs: 1000, what: 'the name of the hot function' },
    );
  });

  it('that nobody knows are listed with their binary, the reason and their samples', async () => {
    const ask = async () => {
      const run = await runPerfleet(['unresolved', 'cpu{process="burn-nameless"}', '--json', '--server', server]);
      if (run.code !== 0) throw new Error(run.err);
      return JSON.parse(run.out) as UnresolvedBinariesResponse['binaries'];
    };
    const [first] = await waitFor(
      async () => {
        const binaries = await ask();
        // The first window is short: one of full length has come, too.
        return binaries[0]?.reason === 'no symbol' && binaries[0].samples > 10 && binaries;
      },
      { timeoutMs: 120_000, intervalMs: 1000, what: 'the nameless binary' },
    );
    expect(first).toMatchObject({ binary: join(dir, 'burn-nameless'), nodes: 1 });
    expect(first!.share).toBeGreaterThan(0.9);
    const table = await runPerfleet(['unresolved', '--server', server]);
    expect(table.out).toMatch(/samples +share +nodes +since.*\n-.*\n(.*\n)*.*burn-nameless/);
  });

  const chromium = requireTool('chromium');
  it.skipIf(!chromium.available)(
    `are on the page, too${chromium.reason && ` (skipped: ${chromium.reason})`}`,
    async () => {
      const browser = await launchChromium();
      try {
        const page = await browser.newPage();
        await page.goto(`${server}/#page=top&process=burn-nameless`);
        const row = page
          .getByRole('region', { name: 'Binaries without names' })
          .getByRole('row', { name: 'burn-nameless' });
        await row.waitFor({ timeout: 60_000 });
        expect(await row.innerText()).toMatch(/\d.*%.*1.*burn-nameless.*no symbol/s);
      } finally {
        await browser.close();
      }
    },
    90_000,
  );
});
