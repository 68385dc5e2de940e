import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tempDir } from '@perfleet/testing';

export interface TestS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where the server keeps its objects. */
  readonly directory: string;
  stop(): Promise<void>;
}

interface S3rver {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
  readonly httpServer: Server;
}

/** A server that speaks S3 and keeps objects on disk, in this process. It takes any signature. */
export async function startS3(): Promise<TestS3> {
  const S3rver = createRequire(import.meta.url)('s3rver') as new (options: object) => S3rver;
  const dir = tempDir('perfleet-s3-');
  const bucket = 'binaries';
  const server = new S3rver({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory: dir.path },
    configureBuckets: [{ name: bucket, configs: [] }],
  });
  const { port } = await server.run();
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket,
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    directory: dir.path,
    async stop() {
      server.httpServer.closeAllConnections();
      await server.close();
      dir.remove();
    },
  };
}
