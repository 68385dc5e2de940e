import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { zstdCompressSync } from 'node:zlib';
import { CHUNK_BYTES, CHUNK_HASH_HEADER, type LeaseAnswer, type LeaseRequest } from '@perfleet/uploads';

export const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A program with the given functions, and the build id that it is told to have. */
export function compile(path: string, source: string, gnu: string): Buffer {
  writeFileSync(`${path}.c`, source);
  execFileSync('gcc', ['-g', '-O0', '-no-pie', `-Wl,--build-id=0x${gnu}`, '-o', path, `${path}.c`]);
  return readFileSync(path);
}

export function symbolAddress(path: string, name: string): bigint {
  const row = execFileSync('nm', [path], { encoding: 'utf8' })
    .split('\n')
    .find((line) => line.endsWith(` ${name}`))!;
  return BigInt(`0x${row.split(' ')[0]}`);
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Speaks to the port of uploads as a node would, one request at a time. */
export class TestNode {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  async send(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<Answer> {
    const authorization = { authorization: `Bearer ${this.token}` };
    const answer = await fetch(this.url + path, { method, body, headers: { ...authorization, ...headers } });
    const text = await answer.text();
    return { status: answer.status, body: text ? (JSON.parse(text) as Answer['body']) : {} };
  }

  json(path: string, value: unknown): Promise<Answer> {
    return this.send('POST', path, JSON.stringify(value), { 'content-type': 'application/json' });
  }

  async lease(request: LeaseRequest): Promise<LeaseAnswer> {
    const { status, body } = await this.json('/api/v1/leases', request);
    if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
    return body as unknown as LeaseAnswer;
  }

  async granted(request: LeaseRequest): Promise<string> {
    const answer = await this.lease(request);
    if (answer.answer !== 'granted') throw new Error(JSON.stringify(answer));
    return answer.upload;
  }

  chunk(upload: string, index: number, file: Uint8Array, hash?: string): Promise<Answer> {
    const plain = file.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    return this.body(upload, index, zstdCompressSync(plain), hash ?? hashOf(plain));
  }

  body(upload: string, index: number, body: Uint8Array, hash: string): Promise<Answer> {
    const headers = { 'content-type': 'application/zstd', [CHUNK_HASH_HEADER]: hash };
    return this.send('PUT', `/api/v1/uploads/${upload}/chunks/${index}`, Buffer.from(body), headers);
  }

  finish(upload: string, file: Uint8Array): Promise<Answer> {
    return this.json(`/api/v1/uploads/${upload}/finish`, { sha256: hashOf(file) });
  }

  /** The whole way of a file. */
  async upload(request: Omit<LeaseRequest, 'size'>, file: Buffer): Promise<Answer> {
    const upload = await this.granted({ ...request, size: file.length });
    for (let index = 0; index * CHUNK_BYTES < file.length; index++) await this.chunk(upload, index, file);
    return this.finish(upload, file);
  }
}
