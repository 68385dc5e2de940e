import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBody } from './http-body.ts';

const LIMIT = 3_000_000;
const SENT = Buffer.from(Uint8Array.from({ length: LIMIT }, (_, i) => i % 251));

describe('body of a request', () => {
  let receive: (incoming: IncomingMessage) => void;
  const server = createServer((incoming, response) => {
    incoming.once('close', () => response.end());
    receive(incoming);
  });
  beforeAll(() => once(server.listen(0, '127.0.0.1'), 'listening'));
  afterAll(() => void server.close());

  /** @param length that the request declares; null = none, which is sent in chunks */
  function send(bytes: Buffer, length: number | null = bytes.byteLength) {
    const { port } = server.address() as AddressInfo;
    const headers = length === null ? {} : { 'content-length': length };
    const sender = request({ port, method: 'POST', headers, agent: false }).on('error', () => undefined);
    const received = new Promise<{ body: Promise<Buffer>; pieces: Buffer[] }>((resolve) => {
      receive = (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => void pieces.push(piece));
        resolve({ body: readBody(incoming, LIMIT), pieces });
      };
    });
    sender.write(bytes);
    return { sender, received };
  }

  it.each([
    ['of a declared length', SENT.byteLength],
    ['in chunks', null],
  ])('comes byte for byte, and what it came in is given back at once (%s)', async (_, length) => {
    const { sender, received } = send(SENT, length);
    sender.end();
    const { body, pieces } = await received;
    expect((await body).equals(SENT)).toBe(true);
    expect(pieces.length).toBeGreaterThan(10);
    // A short one has its memory from Node's pool, as others have.
    const own = pieces.filter(({ byteLength }) => byteLength === 0).length;
    expect(own).toBeGreaterThan(pieces.length / 2);
    sender.destroy();
  });

  it.each([
    ['declared', LIMIT + 1],
    ['not declared', null],
  ])('is refused when it is longer than the limit (%s)', async (_, length) => {
    const { sender, received } = send(Buffer.alloc(LIMIT + 1), length);
    const { body } = await received;
    await expect(body).rejects.toMatchObject({ code: 307, message: expect.stringContaining(`${LIMIT} bytes`) });
    sender.destroy();
  });

  it('is an error when its sender goes away', async () => {
    const { sender, received } = send(Buffer.alloc(1000), 2000);
    const { body } = await received;
    const failed = expect(body).rejects.toThrow();
    sender.destroy();
    await failed;
  });
});
