import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  CHUNK_HASH_HEADER,
  finishAnswerSchema,
  leaseAnswerSchema,
  uploadErrorSchema,
  uploadStateSchema,
  type FinishAnswer,
  type LeaseAnswer,
  type LeaseRequest,
} from '@perfleet/uploads';
import type { z } from 'zod';

export interface UploadClientOptions {
  /** `http://…` or `https://…` of the symbolizer. */
  readonly url: string;
  /** Read for every request, so that a rotated one is used without a restart. Throws when there is none. */
  readonly token: () => string;
  /** PEM of the authority that signed the symbolizer's certificate. */
  readonly ca?: string;
  /** For one request (30 s). */
  readonly timeoutMs?: number;
}

/** The symbolizer refused: what to do depends on the status. */
export class UploadRefusedError extends Error {
  override readonly name = 'UploadRefusedError';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const MAX_ANSWER = 1 << 20;

/** The node's side of the port of uploads (`libs/uploads`). All calls reject when it is away, or with UploadRefusedError. */
export class UploadClient {
  constructor(private readonly options: UploadClientOptions) {}

  lease(request: LeaseRequest): Promise<LeaseAnswer> {
    return this.json(leaseAnswerSchema, 'POST', '/api/v1/leases', request);
  }

  /** @returns indices of the chunks that are there */
  async chunks(upload: string): Promise<number[]> {
    return (await this.json(uploadStateSchema, 'GET', `/api/v1/uploads/${upload}`)).chunks;
  }

  /** @param body one zstd frame; @param sha256 of what it unpacks to */
  async chunk(upload: string, index: number, body: Uint8Array, sha256: string): Promise<void> {
    const headers = { 'content-type': 'application/zstd', [CHUNK_HASH_HEADER]: sha256 };
    await this.send('PUT', `/api/v1/uploads/${upload}/chunks/${index}`, headers, body);
  }

  finish(upload: string, sha256: string): Promise<FinishAnswer> {
    return this.json(finishAnswerSchema, 'POST', `/api/v1/uploads/${upload}/finish`, { sha256 });
  }

  private async json<T>(schema: z.ZodType<T>, method: string, path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return schema.parse(JSON.parse(await this.send(method, path, { 'content-type': 'application/json' }, text)));
  }

  private async send(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: Uint8Array,
  ): Promise<string> {
    const { url, token, ca, timeoutMs = 30_000 } = this.options;
    const target = new URL(path, url);
    const options = {
      method,
      headers: {
        ...headers,
        authorization: `Bearer ${token()}`,
        ...(body ? { 'content-length': String(body.length) } : {}),
      },
      signal: AbortSignal.timeout(timeoutMs),
    };
    return new Promise((resolve, reject) => {
      const request =
        target.protocol === 'https:' ? httpsRequest(target, { ...options, ca }) : httpRequest(target, options);
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('error', reject);
        response.on('data', (piece: string) => {
          text += piece;
          if (text.length > MAX_ANSWER) request.destroy(new Error('the answer is too long'));
        });
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) return resolve(text);
          reject(new UploadRefusedError(status, messageOf(status, text)));
        });
      });
      request.end(body);
    });
  }
}

function messageOf(status: number, text: string): string {
  try {
    return uploadErrorSchema.parse(JSON.parse(text)).error;
  } catch {
    return `status ${status}`;
  }
}
