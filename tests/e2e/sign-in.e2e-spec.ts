import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool, waitFor } from '@perfleet/testing';
import { issueToken, revokeToken, tokenId, type IssuedToken } from '@perfleet/tokens';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { repository } from '../support/workloads.ts';

const tool = requireTool('chromium');
describe.skipIf(!tool.available)(`signing in${tool.available ? '' : ` (skipped: ${tool.reason})`}`, () => {
  let pipeline: Pipeline;
  let browser: Browser;
  let page: Page;
  let issued: IssuedToken;
  const broken: string[] = [];

  beforeAll(async () => {
    pipeline = await startPipeline({ auth: 'tokens', webRoot: join(repository, 'apps/web/dist') });
    issued = await issueToken(pipeline.nodeState.tokens, { name: 'me', scopes: ['read', 'sql', 'ingest'] });
    const sent = await fetch(`${pipeline.url}/ingest?name=web.cpu&sampleRate=100`, {
      method: 'POST',
      headers: { authorization: `Bearer ${issued.token}` },
      body: 'main;checkout 30\n',
    });
    expect(sent.status).toBe(200);
    browser = await launchChromium();
    page = await browser.newPage();
    page.on('pageerror', (error) => broken.push(String(error)));
    page.on('console', (message) => /Content.Security.Policy/i.test(message.text()) && broken.push(message.text()));
    await page.goto(pipeline.url);
  });
  afterAll(async () => {
    await browser?.close();
    await pipeline?.stop();
  });

  const field = () => page.getByLabel('Token');

  it('asks for a token, and says what is wrong with one', async () => {
    await field().fill(`pfl_${'x'.repeat(43)}`);
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('alert').filter({ hasText: 'unknown token' }).waitFor();
  });

  it('shows the page with one that is right, also after a reload, and saves files', async () => {
    await field().fill(issued.token);
    await page.getByRole('button', { name: 'Open' }).click();
    const flame = page.locator('.flame canvas');
    await flame.waitFor({ timeout: 30_000 });
    await page.reload();
    await flame.waitFor({ timeout: 30_000 });
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'folded', exact: true }).click(),
    ]);
    expect(file.suggestedFilename()).toMatch(/\.folded/);
    expect(readFileSync(await file.path(), 'utf8')).toContain('main;checkout');
  });

  it('asks for the graph in another shape, which is in the address', async () => {
    const flame = page.locator('.flame canvas');
    const only = page.getByLabel('only with');
    await only.fill('nothing');
    await only.press('Enter');
    await page.getByText('of the selection').waitFor();
    expect(new URL(page.url()).hash).toBe('#focus=nothing');
    await flame.waitFor({ state: 'detached' });
    await only.fill('check*');
    await only.press('Enter');
    await page.getByLabel('one frame for each').selectOption('module');
    await page.getByLabel('leaves first').check();
    await flame.waitFor();
    expect(new URL(page.url()).hash).toBe('#merge=module&invert=true&focus=check*');
  });

  it('does not carry it to another tab', async () => {
    const other = await browser.newPage();
    await other.goto(pipeline.url);
    await other.getByLabel('Token').waitFor();
    await other.close();
  });

  it('asks again when the token was revoked', async () => {
    await revokeToken(pipeline.nodeState.tokens, tokenId(issued.record));
    await page.getByRole('alert').filter({ hasText: 'is revoked' }).waitFor({ timeout: 30_000 });
    await waitFor(async () => (await page.locator('.flame canvas').count()) === 0, {
      timeoutMs: 10_000,
      what: 'the page to be gone',
    });
  });

  it('needs nothing that the policy of the page forbids', () => expect(broken).toEqual([]));
});
