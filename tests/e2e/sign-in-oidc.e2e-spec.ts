import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createOidcVerifier, createSignIn, eitherVerifier, parseRules } from '@perfleet/oidc';
import { requireTool, waitFor } from '@perfleet/testing';
import { createTokenVerifier } from '@perfleet/tokens';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CodeFlow } from '../../libs/oidc/src/code-flow.fixture.ts';
import { TestProvider } from '../../libs/oidc/src/provider.fixture.ts';
import { launchChromium } from '../support/chromium.ts';
import { startPipeline, type Pipeline } from '../support/pipeline.ts';
import { repository } from '../support/workloads.ts';

const tool = requireTool('chromium');
const CLIENT = 'perfleet';

describe.skipIf(!tool.available)(
  `signing in at a provider${tool.available ? '' : ` (skipped: ${tool.reason})`}`,
  () => {
    const provider = new TestProvider();
    let flow: CodeFlow;
    let pipeline: Pipeline;
    let browser: Browser;
    let page: Page;
    /** By how much the API's clock is ahead, milliseconds. */
    let ahead = 0;
    const broken: string[] = [];
    /** Where the page itself sent requests to, besides its own origin. */
    const outside = new Set<string>();

    beforeAll(async () => {
      await provider.start();
      const { issuer } = provider;
      const rules = parseRules({ rules: [{ claim: 'groups', values: ['sre'], scopes: ['read'] }] });
      const now = () => Date.now() + ahead;
      const verifier = eitherVerifier(
        createTokenVerifier({ store: { find: async () => null } }),
        createOidcVerifier({ issuer, audience: CLIENT, rules, now }),
      );
      const signIn = createSignIn({ issuer, audience: CLIENT, clientId: CLIENT, scope: 'openid profile' });
      const webRoot = join(repository, 'apps/web/dist');
      pipeline = await startPipeline({ auth: 'tokens', verifier, signIn, webRoot });
      const { url } = pipeline;
      flow = provider.register({ id: CLIENT, redirectUri: `${url}/sign-in`, signedOutUri: `${url}/` });
      browser = await launchChromium();
    });
    afterAll(async () => {
      await browser?.close();
      await pipeline?.stop();
      await provider.stop();
    });

    beforeEach(async () => {
      flow.asked.length = 0;
      page = await (await browser.newContext()).newPage();
      page.setDefaultTimeout(15_000);
      page.on('pageerror', (error) => broken.push(String(error)));
      page.on('console', (message) => /Content.Security.Policy/i.test(message.text()) && broken.push(message.text()));
      page.on('request', (request) => {
        const address = new URL(request.url());
        if (request.resourceType() === 'fetch' && address.origin !== pipeline.url)
          outside.add(address.origin + address.pathname);
      });
    });
    afterEach(async () => {
      [ahead, flow.seconds, flow.renews, flow.forgedNonce] = [0, 600, true, null];
      await page.context().close();
    });

    const signInButton = () => page.getByRole('button', { name: `Sign in at ${new URL(provider.issuer).host}` });
    const inside = (of = page) => of.getByRole('button', { name: 'Sign out' });
    const alert = (text: string | RegExp) => page.getByRole('alert').filter({ hasText: text }).waitFor();
    const signIn = async (path = '/') => {
      await page.goto(pipeline.url + path);
      await signInButton().click();
      await page.getByRole('button', { name: 'Continue' }).click();
      const refused = page.getByRole('alert');
      await inside().or(refused).first().waitFor();
      expect(await refused.allTextContents()).toEqual([]);
    };

    it('lets a person in where they were, also after a reload, in this tab only', async () => {
      await signIn('/#page=nodes');
      expect(page.url()).toBe(`${pipeline.url}/#page=nodes`);
      await page.locator('nav [aria-current=page]').filter({ hasText: 'Nodes' }).waitFor();
      await page.reload();
      await inside().waitFor();
      expect(await page.evaluate(() => sessionStorage.getItem('perfleet-session'))).not.toContain('refresh');
      const other = await page.context().newPage();
      await other.goto(pipeline.url);
      await other.getByRole('button', { name: 'Sign in at' }).waitFor();
      expect(flow.asked).toEqual(['authorization_code']);
    });

    it('allows the page to reach the token endpoint and nothing else', async () => {
      const { headers } = await fetch(pipeline.url, { headers: { accept: 'text/html' } });
      expect(headers.get('content-security-policy')).toMatch(
        new RegExp(`; connect-src 'self' ${provider.issuer}/token$`),
      );
      await signIn();
      const reach = (url: string) =>
        page.evaluate((to) => fetch(to, { mode: 'no-cors' }).then(() => 'reached', String), url);
      const before = broken.length;
      expect(await reach(`${provider.issuer}/keys`)).toContain('TypeError');
      await waitFor(async () => broken.length > before, { timeoutMs: 5000, what: 'the policy to complain' });
      broken.length = before;
      expect([...outside].filter((address) => !address.endsWith('/keys'))).toEqual([`${provider.issuer}/token`]);
    });

    it('renews the token while the page is open, and nobody notices', async () => {
      flow.seconds = 2;
      await signIn();
      const token = () => page.evaluate(() => sessionStorage.getItem('perfleet-session'));
      const first = await token();
      await page.evaluate(() => document.body.setAttribute('data-same', 'yes'));
      await waitFor(async () => flow.asked.filter((type) => type === 'refresh_token').length >= 2, {
        timeoutMs: 20_000,
        what: 'two renewals',
      });
      await waitFor(async () => (await token()) !== first, { timeoutMs: 5000, what: 'the next token in use' });
      expect(await page.locator('body').getAttribute('data-same')).toBe('yes');
      expect(await inside().count()).toBe(1);
    });

    it('renews a token that the API refuses before it asks the person', async () => {
      await signIn();
      // The token in hand is over for the API; the next one is not.
      flow.seconds = 7200;
      ahead = 3_600_000;
      await page.getByRole('button', { name: 'Functions' }).click();
      await waitFor(async () => flow.asked.includes('refresh_token'), { timeoutMs: 20_000, what: 'a renewal' });
      expect(await inside().count()).toBe(1);
    });

    it('asks again when the token is over and nothing renews it', async () => {
      flow.renews = false;
      await signIn();
      ahead = 3_600_000;
      await page.getByRole('button', { name: 'Functions' }).click();
      await alert('the token is expired');
      flow.seconds = 7200;
      await signInButton().click();
      await page.getByRole('button', { name: 'Continue' }).click();
      await inside().waitFor();
    });

    it('ends the session here and at the provider', async () => {
      await signIn();
      const before = flow.signedOut.length;
      await inside().click();
      await signInButton().waitFor();
      expect(flow.signedOut.slice(before)).toEqual(['eve']);
      expect(page.url()).toBe(`${pipeline.url}/`);
      expect(await page.evaluate(() => JSON.stringify(sessionStorage))).toBe('{}');
    });

    it('says what the provider says', async () => {
      await page.goto(pipeline.url);
      await signInButton().click();
      await page.getByRole('button', { name: 'Refuse' }).click();
      await alert('signing in failed: the provider says access_denied: eve said no');
      expect(flow.asked).toEqual([]);
    });

    it('takes no answer that this tab did not ask for, or that is another one’s', async () => {
      await page.goto(`${pipeline.url}/sign-in?code=x&state=${'y'.repeat(43)}&iss=${provider.issuer}`);
      await alert('nobody began to sign in here');
      await signInButton().click();
      await page.getByRole('button', { name: 'Continue' }).waitFor();
      await page.goto(`${pipeline.url}/sign-in?code=x&state=${'y'.repeat(43)}&iss=${provider.issuer}`);
      await alert(/signing in failed: .*state/);
      await signInButton().click();
      await page.getByRole('button', { name: 'Continue' }).waitFor();
      const state = new URL(page.url()).searchParams.get('state');
      await page.goto(`${pipeline.url}/sign-in?code=x&state=${state}&iss=https://evil.example`);
      await alert(/signing in failed: .*iss/);
      expect(flow.asked).toEqual([]);
      flow.forgedNonce = 'z'.repeat(43);
      await signInButton().click();
      await page.getByRole('button', { name: 'Continue' }).click();
      await alert(/signing in failed: .*nonce/);
      expect(page.url()).toBe(`${pipeline.url}/`);
    });

    it('needs nothing that the policy of the page forbids', () => expect(broken).toEqual([]));
  },
);

describe('the provider of these tests', () => {
  it('is strict: codes work once, for whom they were made', async () => {
    const provider = new TestProvider();
    await provider.start();
    try {
      const redirectUri = 'https://perfleet.example/sign-in';
      const flow = provider.register({ id: CLIENT, redirectUri, signedOutUri: 'https://perfleet.example/' });
      const verifier = 'v'.repeat(43);
      const asked = new URLSearchParams({
        ...{ client_id: CLIENT, redirect_uri: redirectUri, response_type: 'code', scope: 'openid' },
        ...{ state: 's'.repeat(20), nonce: 'n'.repeat(20), code_challenge_method: 'S256' },
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      });
      const code = () =>
        new URL(flow.decide(asked, 'Continue').headers!['location']!).searchParams.get('code') as string;
      const redeem = async (change: Record<string, string>) => {
        const form = { grant_type: 'authorization_code', client_id: CLIENT, redirect_uri: redirectUri };
        const body = new URLSearchParams({ ...form, code_verifier: verifier, ...change });
        const answer = await fetch(`${provider.issuer}/token`, { method: 'POST', body });
        return answer.status;
      };
      const good = code();
      expect(await redeem({ code: good })).toBe(200);
      expect(await redeem({ code: good })).toBe(400);
      expect(await redeem({ code: code(), code_verifier: 'w'.repeat(43) })).toBe(400);
      expect(await redeem({ code: code(), redirect_uri: `${redirectUri}/` })).toBe(400);
      expect(await redeem({ code: code(), client_secret: 'x' })).toBe(400);
      for (const name of ['redirect_uri', 'nonce', 'state', 'code_challenge', 'code_challenge_method']) {
        const without = new URLSearchParams(asked);
        without.delete(name);
        expect(flow.authorize(without)).toMatchObject({ status: 400, body: `<h1>wrong ${name}</h1>` });
      }
    } finally {
      await provider.stop();
    }
  });
});
