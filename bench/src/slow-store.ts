import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface SlowStore {
  readonly url: string;
  /** Inserts that were answered. */
  inserts(): number;
  close(): Promise<void>;
}

/** A ClickHouse that takes `factor` times as long for each insert, and for each answer to it: what stands before the one at `url`. */
export async function slowStore(url: string, factor: number): Promise<SlowStore> {
  let inserts = 0;
  const server = createServer((incoming, answer) => {
    const forward = async () => {
      const body = await buffer(incoming);
      const started = performance.now();
      const { method, headers, url: path = '/' } = incoming;
      const passed = request(new URL(path, url), { method, headers: { ...headers, host: new URL(url).host } });
      passed.end(body);
      const [response] = (await once(passed, 'response')) as [import('node:http').IncomingMessage];
      const text = await buffer(response);
      if (/^INSERT/i.test(new URL(path, url).searchParams.get('query') ?? body.subarray(0, 6).toString())) {
        inserts++;
        await new Promise((resolve) => setTimeout(resolve, (factor - 1) * (performance.now() - started)));
      }
      const { 'transfer-encoding': _chunked, ...kept } = response.headers;
      answer.writeHead(response.statusCode ?? 500, { ...kept, 'content-length': text.byteLength });
      answer.end(text);
    };
    forward().catch(() => answer.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    inserts: () => inserts,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
