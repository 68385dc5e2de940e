import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';

interface Key {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** A provider on loopback: discovery, its keys, and tokens that they sign. */
export class TestProvider {
  issuer = '';
  /** What discovery says, changed by a test. */
  document: Record<string, unknown> = {};
  /** Requests for the keys. */
  asked = 0;
  private keys: Key[] = [];
  private readonly server: Server = createServer((request, response) => {
    void this.answer(request.url ?? '').then((body) => {
      response.statusCode = body === null ? 404 : 200;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    });
  });

  async start(algorithm = 'ES256'): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/realm`;
    this.document = { issuer: this.issuer, jwks_uri: `${this.issuer}/keys` };
    await this.rotate(algorithm);
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

  private async answer(url: string): Promise<unknown> {
    if (url === '/realm/.well-known/openid-configuration') return this.document;
    if (url !== '/realm/keys') return null;
    this.asked++;
    const keys = this.keys.map(async ({ id, algorithm, publicKey }) => ({
      ...(await exportJWK(publicKey)),
      ...{ kid: id, alg: algorithm, use: 'sig' },
    }));
    return { keys: await Promise.all(keys) };
  }
}
