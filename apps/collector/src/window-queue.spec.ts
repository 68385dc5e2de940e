import { createLogger } from '@perfleet/observability';
import { decodeWindow, encodeWindow, type Window } from '@perfleet/sampler';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
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

/** A queue, and what it published: of each message its samples and losses. */
function queueWith(name: () => NamedWindow | Promise<NamedWindow>) {
  const published: SpoolRecord[] = [];
  const queue = new WindowQueue({
    naming: { name: async () => name() },
    filter: { apply: (window) => ({ window, filtered: 0 }) },
    records: new ProfileRecords('', 'e'),
    logger: createLogger('test', { level: 'silent' }),
    windowMs: () => 1000,
    publish: (records) => published.push(...records),
    offer: () => undefined,
  });
  return { queue, published: () => published.map(({ samples, lost }) => [samples, lost]) };
}

describe('a window whose names are not known', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  it('waits a second for them, however soon the next one comes, and keeps its place', async () => {
    let known = false;
    const asked: boolean[] = [];
    const { queue, published } = queueWith(() => (asked.push(known), { ...NAMED, wait: !known }));
    queue.add(sampled, { ...counts, lost: { throttled: 1 } });
    await vi.advanceTimersByTimeAsync(500);
    queue.add(sampled, { ...counts, lost: { throttled: 2 } });
    await vi.advanceTimersByTimeAsync(400);
    expect([published(), asked]).toEqual([[], [false]]);
    known = true;
    await vi.advanceTimersByTimeAsync(200);
    expect(published()).toEqual([
      [3, { throttled: 1 }],
      [3, { throttled: 2 }],
    ]);
    expect(asked).toEqual([false, true, true]);
  });

  it('is not waited for at the end', async () => {
    const { queue, published } = queueWith(() => ({ ...NAMED, wait: true }));
    queue.add(sampled, counts);
    queue.add(sampled, counts);
    await vi.advanceTimersByTimeAsync(0);
    await queue.end();
    expect(published()).toHaveLength(2);
  });
});

it('takes a dozen windows whose names are slow to come, and counts the samples of what comes on top', async () => {
  const names = Promise.withResolvers<NamedWindow>();
  const { queue, published } = queueWith(() => names.promise);
  for (let i = 0; i < 14; i++) queue.add(sampled, counts);
  const ended = queue.end();
  expect(published()).toEqual([]);
  names.resolve(NAMED);
  await ended;
  expect(published()).toEqual([
    ...Array.from({ length: 12 }, () => [3, {}]),
    [0, { throttled: 3 }],
    [0, { throttled: 3 }],
  ]);
});
