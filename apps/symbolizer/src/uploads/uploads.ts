import type { BinaryStore } from '@perfleet/binary-store';
import type { TlsIdentity } from '@perfleet/http-guard';
import type { Logger } from '@perfleet/observability';
import { createTokenVerifier, type TokenStore } from '@perfleet/tokens';
import type { LeaseLimits, UploadLeaseStore } from '@perfleet/uploads';
import { openUploadServer, type UploadServer } from './upload-server.ts';
import { UploadService } from './upload-service.ts';
import type { UploadStats } from './upload-stats.ts';

/** What receives binaries. The stores are the caller's to close. */
export interface UploadsOptions {
  readonly tokens: TokenStore;
  readonly leases: UploadLeaseStore;
  readonly binaries: BinaryStore;
  /** Objects of the store that were found damaged. */
  readonly corruptObjects: () => number;
  readonly workDir: string;
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsIdentity;
  readonly limits?: Partial<LeaseLimits & { readonly fileBytes: number }>;
}

export const UPLOAD_LIMITS = {
  ttlMs: 120_000,
  leasesPerNode: 2,
  bytesPerNodeAndDay: 8 * 2 ** 30,
  fileBytes: 2 ** 30,
};

/** The receiving end of uploads: opened when the symbolizer runs, closed before it stops. */
export class Uploads {
  private readonly service: UploadService;
  private server: UploadServer | null = null;

  /** @param onBinary a binary came, by build id */
  constructor(
    private readonly options: UploadsOptions,
    private readonly logger: Logger,
    onBinary: (gnu: string) => void,
  ) {
    const { leases, binaries, workDir, limits } = options;
    this.service = new UploadService({
      ...{ leases, binaries, workDir, onBinary, logger },
      limits: { ...UPLOAD_LIMITS, ...limits },
    });
  }

  /** @returns the address */
  async open(): Promise<string> {
    const { host, port, tls, tokens } = this.options;
    const verifier = createTokenVerifier({ store: tokens });
    this.server = await openUploadServer({ host, port, tls, verifier, uploads: this.service, logger: this.logger });
    void this.service.sweep();
    this.logger.info({ url: this.server.url }, 'binaries are received');
    return this.server.url;
  }

  stats(): UploadStats {
    return { ...this.service.stats(), corrupt: this.options.corruptObjects() };
  }

  async close(): Promise<void> {
    await this.server?.close();
    await this.service.close();
  }
}
