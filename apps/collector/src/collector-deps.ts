import type { DoctorOptions } from '@perfleet/doctor';
import type { NodeStateStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { PodNames } from '@perfleet/pods';
import type { StartedSampler } from '@perfleet/sampler';
import type { Stream } from '@perfleet/stream';
import type { NodeDiscovery } from './discovery/node-discovery.ts';
import type { UploadClient } from './uploads/upload-client.ts';
import type { UploaderOptions } from './uploads/uploader.ts';

/** Everything that a collector is told and given. */
export interface CollectorDeps {
  /** Only written to; `producer` may reject while the stream is away and is asked again. */
  readonly stream: Pick<Stream, 'producer'>;
  readonly topicPrefix: string;
  readonly nodeState: NodeStateStore;
  readonly node: string;
  readonly cluster: string;
  /** Rate, window, rung and blocked time where the fleet's configuration does not state them. */
  readonly rateHz?: number;
  readonly windowSeconds?: number;
  readonly offCpu?: boolean;
  /** Spool and run marker live here. */
  readonly dataDir: string;
  readonly samplerBinary?: string;
  /** Of the sampler's command line, besides what may change while it runs. */
  readonly samplerArgs?: readonly string[];
  /** Runs already (`early-sampler.ts`). */
  readonly startedSampler?: StartedSampler | undefined;
  readonly rung?: 'auto' | '1' | '2' | '3' | 1 | 2 | 3;
  /** Whether this node should have pods; `auto` looks for a kubelet. */
  readonly kubernetes?: 'auto' | 'yes' | 'no';
  /** Started and stopped with the collector. */
  readonly podNames?: PodNames;
  /** What the check of the machine at the start looks at besides; its summary is logged, and stops nothing. */
  readonly doctor?: Omit<DoctorOptions, 'samplerBinary' | 'dataDir'> | false;
  readonly logger: Logger;
  readonly discovery?: NodeDiscovery;
  /** Bounds of what waits on disk while the stream is away. */
  readonly spoolBytes?: number;
  readonly spoolAgeMs?: number;
  /** Other services run in this process too: of the cost that the governor judges only the sampler's is known. */
  readonly sharedProcess?: boolean;
  /** Between two looks at the fleet's configuration, milliseconds. */
  readonly configPollMs?: number;
  readonly version?: string;
  /** Sends binaries to the symbolizer; without it none are sent. */
  readonly uploads?: Pick<UploaderOptions, 'queueBytes' | 'bytesPerSecond'> & { readonly client: UploadClient };
}
