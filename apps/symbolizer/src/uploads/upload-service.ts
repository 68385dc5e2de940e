import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BinaryStore } from '@perfleet/binary-store';
import type { Logger } from '@perfleet/observability';
import {
  chunkCount,
  chunkLength,
  type FinishAnswer,
  type LeaseAnswer,
  type LeaseLimits,
  type LeaseRequest,
  type UploadLease,
  type UploadLeaseStore,
  type UploadState,
} from '@perfleet/uploads';
import { assemble } from './assemble.ts';
import { sha256, unpackChunk } from './chunk.ts';
import { LeaseDesk } from './lease-desk.ts';
import { UploadError, type Refusal } from './upload-error.ts';
import { newUploadStats, type UploadStats } from './upload-stats.ts';

export interface UploadServiceOptions {
  readonly leases: UploadLeaseStore;
  readonly binaries: BinaryStore;
  readonly limits: LeaseLimits & { readonly fileBytes: number };
  /** Files are put together here. */
  readonly workDir: string;
  /** A binary came: what waited for it can be resolved. */
  readonly onBinary: (gnu: string) => void;
  readonly logger: Logger;
}

const SWEEP_MS = 3_600_000;

/** Takes binaries from nodes, each once, and never in place of another. */
export class UploadService {
  private readonly counts = newUploadStats();
  private readonly desk: LeaseDesk;
  private readonly timer: NodeJS.Timeout;
  /** Files are put together one after another: that takes disk and CPU. */
  private finishing: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: UploadServiceOptions) {
    this.desk = new LeaseDesk({ ...options, onRefused: (refusal) => this.countRefusal(refusal) });
    this.timer = setInterval(() => void this.sweep(), SWEEP_MS);
    this.timer.unref();
  }

  stats(): UploadStats {
    const { quotaBytes } = this.options.binaries;
    return { ...this.counts, quotaBytes, leases: { ...this.counts.leases }, refused: { ...this.counts.refused } };
  }

  onDenied(): void {
    this.counts.denied++;
  }

  async lease(node: string, request: LeaseRequest): Promise<LeaseAnswer> {
    const answer = await this.desk.ask(node, request);
    this.counts.leases[answer.answer]++;
    if (answer.answer === 'granted') this.options.logger.info({ node, ...request }, 'a node uploads a binary');
    return answer;
  }

  /** @throws UploadError 404 when the node has no such lease */
  async state(node: string, id: string): Promise<UploadState> {
    const lease = await this.leaseOf(node, id);
    const count = chunkCount(lease.size);
    return { chunks: (await this.options.binaries.parts(id)).filter((index) => index < count) };
  }

  /** @param hash SHA-256 of the chunk before compression, hex. @throws UploadError */
  async chunk(node: string, id: string, index: number, hash: string, body: Uint8Array): Promise<void> {
    const lease = await this.leaseOf(node, id);
    const count = chunkCount(lease.size);
    if (!Number.isInteger(index) || index < 0 || index >= count)
      throw new UploadError(422, `chunk ${index} of an upload of ${count}`);
    const plain = await unpackChunk(body, chunkLength(lease.size, index));
    const found = sha256(plain);
    if (found !== hash) throw new UploadError(422, `SHA-256 of chunk ${index} is ${found}, not ${hash}: send it again`);
    await this.options.binaries.putPart(id, index, body);
    this.counts.chunks++;
    this.counts.bytes += body.length;
  }

  /** @throws UploadError; with a refusal the upload is over, otherwise it can go on */
  finish(node: string, id: string, hash: string): Promise<FinishAnswer> {
    const result = this.finishing.then(() => this.store(node, id, hash));
    this.finishing = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.finishing;
  }

  async sweep(): Promise<void> {
    try {
      const { binaries, bytes, evicted } = await this.options.binaries.sweep();
      this.counts.storedBinaries = binaries;
      this.counts.storedBytes = bytes;
      this.counts.evicted += evicted;
    } catch (error) {
      this.options.logger.warn({ error: (error as Error).message }, 'the store of binaries could not be swept');
    }
  }

  private async store(node: string, id: string, hash: string): Promise<FinishAnswer> {
    const { leases, binaries, workDir, logger, onBinary } = this.options;
    const lease = await this.leaseOf(node, id);
    const { gnu, content } = lease;
    await mkdir(workDir, { recursive: true, mode: 0o700 });
    const path = join(workDir, `upload-${randomBytes(8).toString('hex')}`);
    try {
      await assemble(lease, hash, binaries, path);
      await binaries.put(gnu, content, path);
    } catch (error) {
      if (error instanceof UploadError && error.refusal) await this.giveUp(lease, error.refusal, error.message);
      throw error;
    } finally {
      await rm(path, { force: true });
    }
    const contents = await leases.addContent(gnu, content);
    const first = contents[0] === content;
    this.counts.stored++;
    if (contents.length > 1) {
      this.counts.conflicts++;
      const names = `its names stay those of ${contents[0]}`;
      logger.error({ node, gnu, contents }, `other code carries this build id too; ${names}`);
    }
    logger.info({ node, gnu, content, size: lease.size }, 'a binary was uploaded');
    await this.end(lease);
    void this.sweep();
    if (first) onBinary(gnu);
    return { first };
  }

  private async giveUp(lease: UploadLease, refusal: Refusal, reason: string): Promise<void> {
    const { node, gnu, content } = lease;
    this.countRefusal(refusal);
    this.options.logger.warn({ node, gnu, content, reason }, 'an upload was refused');
    await this.options.leases.refuse(gnu, reason);
    await this.end(lease);
  }

  private async end(lease: UploadLease): Promise<void> {
    await this.options.binaries.dropParts(lease.id);
    await this.options.leases.release(lease);
  }

  private async leaseOf(node: string, id: string): Promise<UploadLease> {
    const { leases, limits } = this.options;
    const lease = /^[0-9a-f]{32}$/.test(id) ? await leases.renew(id, limits.ttlMs) : null;
    // Another node's upload is as good as none: who may not see it learns nothing of it.
    if (lease === null || lease.node !== node)
      throw new UploadError(404, 'no such upload, or its lease ended: ask for one');
    return lease;
  }

  private countRefusal(refusal: Refusal): void {
    this.counts.refused[refusal] = (this.counts.refused[refusal] ?? 0) + 1;
  }
}
