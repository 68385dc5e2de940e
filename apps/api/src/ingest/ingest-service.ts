import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { OtlpDecodeError, type ProfilesData } from '@perfleet/otlp';
import { decodePprof, PprofDecodeError, type PprofProfile } from '@perfleet/pprof';
import { TOPICS } from '@perfleet/messages';
import type { Stream } from '@perfleet/stream';
import { ApiError, badRequest } from '../http/api-error.ts';
import { DEFAULT_RATES, INGEST_LIMITS, type IngestRates } from './limits.ts';
import type { MessagePart } from './message-parts.ts';
import { ProfilePublisher } from './profile-publisher.ts';
import { nodeOf, pushedParts, type PushedProfile } from './pushed-profile.ts';
import { RateLimiter } from './rate-limiter.ts';
import { otlpParts } from './split-otlp.ts';

export interface IngestOptions {
  readonly stream: Pick<Stream, 'producer'>;
  readonly topicPrefix: string;
  /** Stands for the senders that do not say where they run. */
  readonly node: string;
  readonly rates?: IngestRates;
  /** Called for every request with what became of it. */
  readonly observe?: (protocol: IngestProtocol, outcome: 'ok' | 'refused' | 'failed', samples: number) => void;
}

export type IngestProtocol = 'otlp' | 'pyroscope';

/** Who sent a request and how much it is, for the bounds of each sender. */
export interface Sender {
  /** A token, or an address where nobody is asked. */
  readonly name: string;
  readonly bytes: number;
}

export const MAX_NODE_NAME = 253;
const decompress = promisify(gunzip);

/** Profiles of other agents: checked, counted, and published like those of a collector. */
export class IngestService {
  private readonly publisher: ProfilePublisher;
  private readonly limiter: RateLimiter;
  private pendingBytes = 0;

  constructor(private readonly options: IngestOptions) {
    this.publisher = new ProfilePublisher(options.stream, options.topicPrefix + TOPICS.profiles);
    this.limiter = new RateLimiter(options.rates ?? DEFAULT_RATES);
  }

  /** @param body answers an `ExportProfilesServiceRequest`; asked for once the sender is let in */
  otlp(sender: Sender, body: () => Uint8Array): Promise<void> {
    return this.receive('otlp', sender, async () => {
      const { data, parts } = otlpParts(body());
      return [{ node: hostOf(data), parts }];
    });
  }

  pushed(sender: Sender, profiles: () => Promise<readonly PushedProfile[]>): Promise<void> {
    return this.receive('pyroscope', sender, async () =>
      (await profiles()).map((pushed) => ({ node: nodeOf(pushed.labels), parts: pushedParts(pushed) })),
    );
  }

  close(): Promise<void> {
    return this.publisher.close();
  }

  /** All profiles of a request are read before the first one is published: a bad one refuses the whole request. */
  private async receive(
    protocol: IngestProtocol,
    sender: Sender,
    read: () => Promise<ReadonlyArray<{ node: string; parts: MessagePart[] }>>,
  ): Promise<void> {
    let samples = 0;
    try {
      this.admit(sender);
      this.pendingBytes += sender.bytes;
      try {
        const all = await read();
        for (const { node, parts } of all) {
          await this.publisher.publish(node.slice(0, MAX_NODE_NAME) || this.options.node, parts);
          samples += parts.reduce((sum, part) => sum + part.samples, 0);
        }
      } finally {
        this.pendingBytes -= sender.bytes;
      }
      this.options.observe?.(protocol, 'ok', samples);
    } catch (error) {
      const known = toApiError(error);
      const refused = known instanceof ApiError && known.status < 500;
      this.options.observe?.(protocol, refused ? 'refused' : 'failed', samples);
      throw known;
    }
  }

  private admit({ name, bytes }: Sender): void {
    if (!this.limiter.take(name, bytes))
      throw new ApiError(
        429,
        'rate-limit',
        `${name} sends more than its rate allows; send less or raise the rate of ingestion`,
      );
    if (this.pendingBytes + bytes > INGEST_LIMITS.pendingBytes)
      throw new ApiError(503, 'busy', 'too much is being received at this moment; send it again');
  }
}

/** A pprof profile, compressed by gzip or not. @throws ApiError, PprofDecodeError */
export async function readPprof(bytes: Uint8Array): Promise<PprofProfile> {
  const { expandedBytes, tableEntries, stackDepth, stringBytes, samples } = INGEST_LIMITS;
  if (bytes.length === 0) throw badRequest('the profile is empty');
  let plain = bytes;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      plain = await decompress(bytes, { maxOutputLength: expandedBytes });
    } catch (cause) {
      if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE')
        throw new ApiError(413, 'too-large', `the profile is over ${expandedBytes} bytes when decompressed`);
      throw badRequest(`the profile is not gzip: ${(cause as Error).message}`);
    }
  }
  return decodePprof(plain, { bytes: expandedBytes, tableEntries, stackDepth, stringBytes, samples });
}

function toApiError(error: unknown): unknown {
  if (error instanceof OtlpDecodeError)
    return new ApiError(400, 'bad-request', `not OTLP Profiles: ${error.message}`, undefined, { cause: error });
  if (error instanceof PprofDecodeError)
    return new ApiError(400, 'bad-request', error.message, undefined, { cause: error });
  return error;
}

/** The node of a request's samples as OTLP names it, or ''. */
function hostOf({ resources }: ProfilesData): string {
  for (const key of ['k8s.node.name', 'host.name']) {
    for (const { attributes } of resources) {
      const value = attributes.find(([name]) => name === key)?.[1];
      if (typeof value === 'string' && value !== '') return value;
    }
  }
  return '';
}
