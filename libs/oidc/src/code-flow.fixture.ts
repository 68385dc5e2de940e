import { createHash, randomBytes } from 'node:crypto';
import type { JWTPayload } from 'jose';

/** A client that is registered at the provider. */
export interface RegisteredClient {
  readonly id: string;
  readonly redirectUri: string;
  readonly signedOutUri: string;
}

export interface CodeFlowSettings {
  readonly issuer: string;
  readonly client: RegisteredClient;
  readonly sign: (claims: JWTPayload) => Promise<string>;
}

export interface CodeFlowAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** HTML, or what becomes JSON. */
  readonly body?: string | object;
}

interface Grant {
  readonly nonce: string;
  readonly scope: string;
  readonly challenge: string;
}

const ONCE_MS = 60_000;
const token = () => randomBytes(24).toString('base64url');

/**
 * The endpoints of a provider for the authorization code flow of public clients, as strict as RFC 9700 asks: registered addresses
 * by every character, PKCE by S256, codes and refresh tokens that work once, no client that claims a secret.
 */
export class CodeFlow {
  /** Claims of the person who signs in. */
  person: JWTPayload = { sub: 'eve', groups: ['sre'] };
  /** Seconds that tokens are valid for. */
  seconds = 600;
  /** Whether tokens come with one that renews them. */
  renews = true;
  /** What an ID token's nonce is replaced by, to see whether it is looked at. */
  forgedNonce: string | null = null;
  /** Requests to the token endpoint by their grant type. */
  readonly asked: string[] = [];
  /** People whose session ended here. */
  readonly signedOut: string[] = [];
  private readonly codes = new Map<string, Grant & { readonly until: number }>();
  private readonly refreshTokens = new Map<string, Grant>();

  constructor(private readonly settings: CodeFlowSettings) {}

  /** The page that asks, whose form posts to the same address; or why the request is refused without going back. */
  authorize(parameters: URLSearchParams): CodeFlowAnswer {
    const { client } = this.settings;
    const value = (name: string) => parameters.get(name) ?? '';
    const wrong =
      (value('client_id') !== client.id && 'client_id') ||
      (value('redirect_uri') !== client.redirectUri && 'redirect_uri') ||
      (value('response_type') !== 'code' && 'response_type') ||
      (!value('scope').split(' ').includes('openid') && 'scope') ||
      (value('code_challenge_method') !== 'S256' && 'code_challenge_method') ||
      (!/^[\w-]{43}$/.test(value('code_challenge')) && 'code_challenge') ||
      (value('state').length < 20 && 'state') ||
      (value('nonce').length < 20 && 'nonce');
    if (wrong) return { status: 400, body: `<h1>wrong ${wrong}</h1>` };
    const buttons = ['Continue', 'Refuse'].map((name) => `<button name="answer" value="${name}">${name}</button>`);
    return { status: 200, body: `<h1>Provider</h1><form method="post">${buttons.join('')}</form>` };
  }

  /** The form was sent. */
  decide(parameters: URLSearchParams, answer: string): CodeFlowAnswer {
    const refused = this.authorize(parameters);
    if (refused.status !== 200) return refused;
    const back = new URL(this.settings.client.redirectUri);
    back.searchParams.set('state', parameters.get('state')!);
    back.searchParams.set('iss', this.settings.issuer);
    if (answer === 'Continue') {
      const code = token();
      const [nonce, scope] = [parameters.get('nonce')!, parameters.get('scope')!];
      this.codes.set(code, { nonce, scope, challenge: parameters.get('code_challenge')!, until: Date.now() + ONCE_MS });
      back.searchParams.set('code', code);
    } else {
      back.searchParams.set('error', 'access_denied');
      back.searchParams.set('error_description', 'eve said no');
    }
    return { status: 303, headers: { location: back.href } };
  }

  async tokens(body: URLSearchParams, headers: { authorization?: string; origin?: string }): Promise<CodeFlowAnswer> {
    const { client } = this.settings;
    const type = body.get('grant_type') ?? '';
    this.asked.push(type);
    const origin = new URL(client.redirectUri).origin;
    const cors = { 'access-control-allow-origin': origin, 'cache-control': 'no-store' };
    const refuse = (error: string, why: string) => ({
      ...{ status: 400, headers: cors },
      body: { error, error_description: why },
    });
    if (headers.origin !== undefined && headers.origin !== origin) return { status: 403 };
    if (headers.authorization !== undefined || body.has('client_secret'))
      return refuse('invalid_client', 'it has no secret');
    if (body.get('client_id') !== client.id) return refuse('invalid_client', 'unknown');
    const grant = type === 'authorization_code' ? this.byCode(body) : this.byRefreshToken(body);
    if (typeof grant === 'string') return refuse('invalid_grant', grant);
    const { nonce, scope } = grant;
    const now = Math.floor(Date.now() / 1000);
    const claims = { ...this.person, iat: now, exp: now + this.seconds };
    const first = type === 'authorization_code' ? { nonce: this.forgedNonce ?? nonce } : {};
    const renewal = this.renews ? token() : undefined;
    if (renewal !== undefined) this.refreshTokens.set(renewal, grant);
    return {
      status: 200,
      headers: cors,
      body: {
        access_token: await this.settings.sign({ ...claims, aud: 'api' }),
        id_token: await this.settings.sign({ ...claims, ...first, aud: client.id }),
        ...{ token_type: 'Bearer', expires_in: this.seconds, scope },
        ...(renewal !== undefined && { refresh_token: renewal }),
      },
    };
  }

  endSession(parameters: URLSearchParams): CodeFlowAnswer {
    const { client } = this.settings;
    const claims = (parameters.get('id_token_hint') ?? '').split('.')[1];
    const sub = claims && (JSON.parse(Buffer.from(claims, 'base64url').toString()) as { sub?: string }).sub;
    if (!sub || parameters.get('client_id') !== client.id) return { status: 400, body: '<h1>who?</h1>' };
    if (parameters.get('post_logout_redirect_uri') !== client.signedOutUri)
      return { status: 400, body: '<h1>wrong post_logout_redirect_uri</h1>' };
    this.signedOut.push(sub);
    return { status: 303, headers: { location: client.signedOutUri } };
  }

  private byCode(body: URLSearchParams): Grant | string {
    const code = body.get('code') ?? '';
    const grant = this.codes.get(code);
    // Also one that was tried with something wrong works no more.
    this.codes.delete(code);
    if (!grant || grant.until < Date.now()) return 'the code is unknown, used or old';
    if (body.get('redirect_uri') !== this.settings.client.redirectUri) return 'another redirect_uri';
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    return challenge === grant.challenge ? grant : 'another code_verifier';
  }

  private byRefreshToken(body: URLSearchParams): Grant | string {
    const text = body.get('refresh_token') ?? '';
    const grant = this.refreshTokens.get(text);
    this.refreshTokens.delete(text);
    return grant ?? 'the refresh token is unknown or used';
  }
}
