import { createHash } from 'node:crypto';
import type { BinaryStore } from '@perfleet/binary-store';
import {
  CHUNK_BYTES,
  MAX_CONTENTS,
  type LeaseAnswer,
  type LeaseLimits,
  type LeaseRequest,
  type UploadLease,
  type UploadLeaseStore,
} from '@perfleet/uploads';
import type { Refusal } from './upload-error.ts';

export interface LeaseDeskOptions {
  readonly leases: UploadLeaseStore;
  readonly binaries: Pick<BinaryStore, 'has' | 'quotaBytes'>;
  readonly limits: LeaseLimits & { readonly fileBytes: number };
  readonly onRefused: (refusal: Refusal) => void;
}

const MAX_LOOKS = 100_000;
/** For so long the store's answer is taken to hold. */
const LOOK_MS = 60_000;
/** Longest wait that is asked for: the one who uploads may fail sooner than its lease ends. */
const MAX_RETRY_S = 60;

/** Decides who uploads what: each binary once for the whole cluster. */
export class LeaseDesk {
  private readonly looks = new Map<string, { readonly found: Promise<boolean>; readonly until: number }>();

  constructor(private readonly options: LeaseDeskOptions) {}

  async ask(node: string, request: LeaseRequest): Promise<LeaseAnswer> {
    const { leases, binaries, limits } = this.options;
    const { gnu, content, size } = request;
    const most = Math.min(limits.fileBytes, binaries.quotaBytes);
    if (size > most) return this.refuse('size', `${size} bytes are more than the ${most} that one binary may have`);
    const contents = await leases.contents(gnu);
    if (contents.includes(content) && (await this.isStored(gnu, content))) return { answer: 'have' };
    if (contents.length >= MAX_CONTENTS && !contents.includes(content))
      return this.refuse('contents', `${contents.length} other contents claim this build id already`);
    const lease: UploadLease = { id: uploadId(node, request), gnu, content, node, size };
    const asked = await leases.acquire(lease, limits);
    if (asked.result === 'held') return busy(asked.forMs / 1000);
    if (asked.result === 'too-many-leases') return busy(MAX_RETRY_S);
    if (asked.result === 'over-quota')
      return this.refuse('quota', `node ${node} may upload ${limits.bytesPerNodeAndDay} bytes a day (UTC)`);
    // Stored by a symbolizer that ended before it said so, or just now.
    if (await binaries.has(gnu, content)) {
      await leases.addContent(gnu, content);
      await leases.release(lease);
      return { answer: 'have' };
    }
    return { answer: 'granted', upload: lease.id, ttlSeconds: limits.ttlMs / 1000, chunkBytes: CHUNK_BYTES };
  }

  /** All who ask at once cost one look into the store. */
  private isStored(gnu: string, content: string): Promise<boolean> {
    const key = `${gnu}/${content}`;
    const known = this.looks.get(key);
    if (known && known.until > Date.now()) return known.found;
    if (this.looks.size >= MAX_LOOKS) this.looks.clear();
    const found = this.options.binaries.has(gnu, content);
    this.looks.set(key, { found, until: Date.now() + LOOK_MS });
    found.catch(() => this.looks.delete(key));
    return found;
  }

  private refuse(refusal: Refusal, reason: string): LeaseAnswer {
    this.options.onRefused(refusal);
    return { answer: 'refused', reason };
  }
}

/** The same for the same node, binary and size: an upload that was cut goes on. No secret: only the node's token opens it. */
function uploadId(node: string, { gnu, content, size }: LeaseRequest): string {
  return createHash('sha256')
    .update(JSON.stringify([node, gnu, content, size]))
    .digest('hex')
    .slice(0, 32);
}

function busy(seconds: number): LeaseAnswer {
  return { answer: 'busy', retryAfterSeconds: Math.max(1, Math.min(MAX_RETRY_S, Math.ceil(seconds))) };
}
