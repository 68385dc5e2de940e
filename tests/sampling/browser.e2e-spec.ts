import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool, waitFor } from '@perfleet/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { bestRung, startPerfleet, urlIn, type Running } from '../support/perfleet.ts';
import { repository, startWorkloads, type Workloads } from '../support/workloads.ts';

const tool = requireTool('chromium');
describe.skipIf(!tool.available)(`the page in Chromium${tool.available ? '' : ` (skipped: ${tool.reason})`}`, () => {
  let data: string;
  let workloads: Workloads;
  let up: Running;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'perfleet-page-'));
    workloads = startWorkloads();
    up = await startPerfleet(['up', '--http-port', '0', '--data', data, '--rate', '99', '--off-cpu']);
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme: 'dark' });
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    await page.goto(urlIn(up.line));
  });
  afterAll(async () => {
    await browser?.close();
    workloads?.stop();
    await up?.stop('SIGKILL');
    rmSync(data, { recursive: true, force: true });
  });

  const flame = () => page.locator('.flame canvas');
  const nodes = async () => Number((await flame().getAttribute('data-nodes', { timeout: 60_000 })) ?? 0);

  it('draws a live flame graph that grows while it runs', async () => {
    await flame().waitFor({ timeout: 60_000 });
    const total = async () => (await page.getByTestId('total').textContent()) ?? '';
    const first = await total();
    await waitFor(async () => (await total()) !== first, { timeoutMs: 30_000, what: 'the total to grow' });
    expect(await nodes()).toBeGreaterThan(10);
  });

  it('shows the mode and rung of the node', async () => {
    const rung = `rung ${bestRung()}`;
    await waitFor(async () => ((await page.getByTestId('node-status').textContent()) ?? '').includes(rung), {
      timeoutMs: 30_000,
      what: `the node status to say ${rung}`,
    });
  });

  it('finds a real function by search and by process, zooms on a click and back', async () => {
    await page.getByLabel('process', { exact: true }).selectOption(workloads.native);
    await page.getByPlaceholder(/function, file/).fill('hot_seventy');
    await waitFor(
      async () => {
        const share = parseFloat(
          (await page
            .getByTestId('matched')
            .textContent()
            .catch(() => '')) ?? '',
        );
        return share > 60 && share < 80;
      },
      { timeoutMs: 60_000, what: 'a match of about 70 %' },
    );
    const box = (await flame().boundingBox())!;
    await flame().hover({ position: { x: box.width / 3, y: 28 } });
    expect(await page.getByRole('tooltip').textContent()).toContain(workloads.native);
    await flame().click({ position: { x: box.width / 3, y: 28 } });
    await waitFor(async () => ((await flame().getAttribute('data-focus')) ?? '').startsWith(workloads.native), {
      timeoutMs: 5_000,
      what: 'the zoom',
    });
    mkdirSync(join(repository, '.cache'), { recursive: true });
    await page.screenshot({ path: join(repository, '.cache/page.png') });
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'all', exact: true }).click({ force: true });
    await waitFor(async () => (await flame().getAttribute('data-focus')) === '', {
      timeoutMs: 5_000,
      what: 'the way back',
    });
  });

  it('answers SQL and lists functions and nodes', async () => {
    await page.getByRole('button', { name: 'SQL' }).click();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.locator('.scroll td').first().waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Nodes', exact: true }).click();
    await page.getByText('alive', { exact: true }).waitFor({ timeout: 10_000 });
    await page.getByRole('button', { name: 'Functions' }).click();
    await page.locator('tbody tr').first().waitFor({ timeout: 20_000 });
  });

  it('shows where threads are blocked when that type is chosen', async () => {
    await page.getByRole('button', { name: 'Flame graph' }).click();
    await page.getByPlaceholder(/function, file/).fill('');
    await page.getByLabel('process', { exact: true }).selectOption('');
    await page.getByLabel('type', { exact: true }).selectOption('off_cpu');
    await waitFor(async () => ((await page.getByTestId('total').textContent()) ?? '').endsWith('blocked'), {
      timeoutMs: 30_000,
      what: 'a total of blocked time',
    });
    await page.getByPlaceholder(/function, file/).fill('^__schedule$');
    await waitFor(async () => parseFloat((await page.getByTestId('matched').textContent()) ?? '') > 90, {
      timeoutMs: 30_000,
      what: 'stacks that end in the scheduler',
    });
    await page.getByPlaceholder(/function, file/).fill('');
    await page.getByLabel('type', { exact: true }).selectOption('wall_clock');
    await waitFor(async () => ((await page.getByTestId('total').textContent()) ?? '').endsWith('of wall clock'), {
      timeoutMs: 30_000,
      what: 'a total of CPU time and blocked time together',
    });
  });

  it('logs no error in the console', () => expect(errors).toEqual([]));
});
