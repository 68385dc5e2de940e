import { createLogger } from '@perfleet/observability';
import { decodeWindow, encodeWindow, type Window } from '@perfleet/sampler';
import { expect, it } from 'vitest';
import { ProfileRecords } from './profile-records.ts';
import type { SpoolRecord } from './spool.ts';
import type { NamedWindow } from './window-naming.ts';
import { WindowQueue } from './window-queue.ts';

const sampled: Window = decodeWindow(
  encodeWindow({
    taken: 3,
    samples: [{ process: { pid: 1, comm: 'a' }, count: 3, stack: [{ kind: 'kernel', function: 'f' }] }],
  }),
);
const counts = { taken: 3, samples: 3, lost: {} };
const NAMED: NamedWindow = {
  labelsOf: () => [],
  subject: () => ({ placement: { podUid: null, containerId: null }, names: undefined, attributed: true }),
  wait: false,
};

it('takes a dozen windows whose names are slow to come, and counts the samples of what comes on top', async () => {
  const names = Promise.withResolvers<NamedWindow>();
  const published: SpoolRecord[] = [];
  const queue = new WindowQueue({
    naming: { name: () => names.promise },
    filter: { apply: (window) => ({ window, filtered: 0 }) },
    records: new ProfileRecords('', 'e'),
    logger: createLogger('test', { level: 'silent' }),
    windowMs: () => 1000,
    publish: (records) => published.push(...records),
    offer: () => undefined,
  });
  for (let i = 0; i < 14; i++) queue.add(sampled, counts);
  const ended = queue.end();
  expect(published).toEqual([]);
  names.resolve(NAMED);
  await ended;
  expect(published.map(({ samples, lost }) => [samples, lost])).toEqual([
    ...Array.from({ length: 12 }, () => [3, {}]),
    [0, { throttled: 3 }],
    [0, { throttled: 3 }],
  ]);
});
