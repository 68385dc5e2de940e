import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';

import { CodeFlow, type CodeFlowAnswer, type RegisteredClient } from './code-flow.fixture.ts';

interface Key {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** A provider on loopback: discovery, its keys, tokens that they sign, and people who sign in by a client that is registered. */
export class TestProvider {
  issuer = '';
  /** What discovery says, changed by a test. */
  document: Record<string, unknown> = {};
  /** Requests for the keys. */
  asked = 0;
  private keys: Key[] = [];
  private flow: CodeFlow | null = null;
  private readonly server: Server = createServer((request, response) => void this.serve(request, response));

  async start(algorithm = 'ES256'): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/realm`;
    this.document = { issuer: this.issuer, jwks_uri: `${this.issuer}/keys` };
    await this.rotate(algorithm);
  }

  /** People can sign in by this client from now on. */
  register(client: RegisteredClient): CodeFlow {
    const { issuer } = this;
    this.flow = new CodeFlow({ issuer, client, sign: (claims) => this.sign(claims) });
    this.document = {
      ...this.document,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      end_session_endpoint: `${issuer}/end`,
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: this.keys.map(({ algorithm }) => algorithm),
    };
    return this.flow;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** A new key; the ones before are not published any more. */
  async rotate(algorithm = 'ES256'): Promise<void> {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    this.keys = [{ id: `key-${Math.random()}`, algorithm, ...pair }];
  }

  /** @param claims over those of a token that is valid for ten minutes */
  async sign(
    claims: JWTPayload = {},
    header: { alg?: string; kid?: string } = {},
    key?: CryptoKey | Uint8Array,
  ): Promise<string> {
    const [own] = this.keys;
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ iss: this.issuer, aud: 'perfleet', sub: 'u1', iat: now, exp: now + 600, ...claims })
      .setProtectedHeader({ alg: own!.algorithm, kid: own!.id, ...header })
      .sign(key ?? own!.privateKey);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.issuer);
    const {
      status,
      headers = {},
      body = '',
    } = (await this.signIn(request, pathname, searchParams)) ?? (await this.answer(pathname));
    const json = typeof body !== 'string';
    response.writeHead(status, { 'content-type': json ? 'application/json' : 'text/html', ...headers });
    response.end(json ? JSON.stringify(body) : body);
  }

  private async signIn(request: IncomingMessage, path: string, query: URLSearchParams): Promise<CodeFlowAnswer | null> {
    const form = async () => new URLSearchParams(await text(request));
    if (this.flow === null) return null;
    if (path === '/realm/authorize')
      return request.method === 'POST'
        ? this.flow.decide(query, (await form()).get('answer') ?? '')
        : this.flow.authorize(query);
    if (path === '/realm/token' && request.method === 'POST') return this.flow.tokens(await form(), request.headers);
    return path === '/realm/end' ? this.flow.endSession(query) : null;
  }

  private async answer(path: string): Promise<CodeFlowAnswer> {
    if (path === '/realm/.well-known/openid-configuration') return { status: 200, body: this.document };
    if (path !== '/realm/keys') return { status: 404 };
    this.asked++;
    const keys = this.keys.map(async ({ id, algorithm, publicKey }) => ({
      ...(await exportJWK(publicKey)),
      ...{ kid: id, alg: algorithm, use: 'sig' },
    }));
    return { status: 200, body: { keys: await Promise.all(keys) } };
  }
}
