import { TOPICS } from '@perfleet/messages';
import type { Window } from '@perfleet/sampler';
import type { ResourceLabels } from './resource-labels.ts';
import type { RunRecord } from './run-marker.ts';
import type { WindowCounts } from './sample-ledger.ts';
import type { SpoolRecord } from './spool.ts';
import { emptyOtlp, windowToOtlp } from './window-to-otlp.ts';

/** What an epoch hands to the spool about its samples: every sample that was taken is in a body, or in the counts of one. */
export class ProfileRecords {
  private readonly topic: string;

  constructor(
    topicPrefix: string,
    private readonly epoch: string,
  ) {
    this.topic = topicPrefix + TOPICS.profiles;
  }

  /** One window; nothing when there is nothing to say. */
  ofWindow(
    window: Window,
    counts: WindowCounts,
    labelsOf: (process: number) => ResourceLabels,
  ): readonly SpoolRecord[] {
    const parts = windowToOtlp(window, labelsOf);
    if (parts.length > 0) return parts.map((part, i) => this.record(part, i === parts.length - 1 ? counts.lost : {}));
    return Object.keys(counts.lost).length > 0 ? this.ofCounts(counts.lost) : [];
  }

  /** Losses without a sample. */
  ofCounts(lost: Record<string, number>, epoch = this.epoch): SpoolRecord[] {
    return [{ ...this.record({ body: emptyOtlp(), samples: 0 }, lost), epoch }];
  }

  /** The samples that a killed run took after its last window are estimated at that window's count, and said in its name. */
  ofUncleanEnd({ epoch, lastWindowTaken }: RunRecord): SpoolRecord[] {
    return lastWindowTaken === 0 ? [] : this.ofCounts({ 'unclean-exit': lastWindowTaken }, epoch);
  }

  private record(part: { body: Uint8Array; samples: number }, lost: Record<string, number>): SpoolRecord {
    return { topic: this.topic, epoch: this.epoch, ...part, lost };
  }
}
