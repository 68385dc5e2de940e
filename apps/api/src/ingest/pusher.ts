import type { ServiceImpl } from '@connectrpc/connect';
import type { PusherService } from '@perfleet/pyroscope';
import { profileNameOf } from '@perfleet/pyroscope';
import { callerKey } from '../access/limit-messages.ts';
import { badRequest } from '../http/api-error.ts';
import { INGEST_LIMITS } from './limits.ts';
import { readPprof, type IngestService } from './ingest-service.ts';
import type { PushedProfile } from './pushed-profile.ts';

/** `push.v1.PusherService`, as Alloy and the newer SDKs send profiles. */
export function pusher(ingest: IngestService): ServiceImpl<typeof PusherService> {
  return {
    async push({ series }, context) {
      const count = series.reduce((sum, { samples }) => sum + samples.length, 0);
      const bytes = series.reduce(
        (sum, { samples }) => sum + samples.reduce((s, { rawProfile }) => s + rawProfile.length, 0),
        0,
      );
      await ingest.pushed({ name: context.values.get(callerKey).name, bytes }, async () => {
        if (count > INGEST_LIMITS.profiles)
          throw badRequest(`more than ${INGEST_LIMITS.profiles} profiles in one request`);
        const pushed: PushedProfile[] = [];
        for (const { labels, samples } of series) {
          const pairs = labels.map(({ name, value }) => [name, value] as const);
          const label = (name: string) => pairs.find(([n]) => n === name)?.[1] ?? '';
          for (const { rawProfile } of samples) {
            const profile = await readPprof(rawProfile);
            pushed.push({
              profile,
              name: label('__name__') || profileNameOf(profile.sampleTypes.map(({ type }) => type)),
              labels: pairs,
              spy: label('pyroscope_spy') || label('__spy_name__'),
              fallbackNanos: BigInt(Date.now()) * 1_000_000n,
            });
          }
        }
        return pushed;
      });
      return {};
    },
  };
}
