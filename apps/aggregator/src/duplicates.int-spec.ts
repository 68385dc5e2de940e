import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, TABLES, type Store } from '@perfleet/clickhouse';
import { OTLP_SCHEMA } from '@perfleet/otlp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Block } from './block-handler.ts';
import { encodeDeliveries } from './deliveries.ts';
import { Duplicates, type DuplicatesOptions } from './duplicates.ts';
import type { ProfilesItem } from './read-profiles.ts';

const directory = mkdtempSync(join(tmpdir(), 'duplicates-spec-'));
const NOW = Date.now();
let store: Store;
let asked = 0;
let counting: Store;

beforeAll(async () => {
  store = await openStore({ kind: 'embedded', path: join(directory, 'clickhouse') });
  counting = new Proxy(store, {
    get(target, property) {
      if (property === 'query') asked++;
      const member = Reflect.get(target, property, target) as unknown;
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
});
afterAll(async () => {
  await store?.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Node, or node/epoch, sequence number, and whether the message can be used. */
type Sent = readonly [run: string, seq: number, usable?: boolean];

/** A partition as the log has it: messages at offsets 0, 1, 2, … */
class Partition {
  private offset = 0;
  private reader: Duplicates;

  constructor(
    private readonly topicId: string,
    private readonly options: DuplicatesOptions = {},
  ) {
    this.reader = new Duplicates(this.assignment, options);
  }

  private get assignment() {
    const commit = async () => undefined;
    return { topic: 't', topicId: this.topicId, partition: 0, committed: null, signal: AbortSignal.any([]), commit };
  }

  /** Another owner, or the same one once more. */
  reassign(): void {
    this.reader = new Duplicates(this.assignment, this.options);
  }

  /** @returns for each message of the block whether it is a duplicate. @param attempts until the block is written */
  async block(sent: readonly Sent[], attempts = 1): Promise<boolean[]> {
    const items = sent.map(([run, seq, usable = true], i) => itemOf(this.offset + i, run, seq, usable));
    const range = { from: BigInt(this.offset), to: BigInt(this.offset + items.length) };
    const block: Block<ProfilesItem> = {
      range,
      items,
      shard: '',
      token: (table) => `${this.topicId} ${range.from} ${table}`,
    };
    let answer: boolean[] = [];
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const found = await this.reader.find(counting, block);
      const now = items.map((item) => found.has(item));
      if (attempt > 1) expect(now).toEqual(answer);
      answer = now;
      const rows = encodeDeliveries(items, found, this.assignment);
      await store.insert('delivery_log', TABLES.delivery_log, rows, block.token('delivery_log'));
    }
    this.offset += items.length;
    return answer;
  }
}

function itemOf(offset: number, run: string, seq: number, usable: boolean): ProfilesItem {
  const [node = '', of = '0'] = run.split('/');
  const epoch = of.padStart(16, '0');
  const headers = { schema: OTLP_SCHEMA, node, epoch, epochStart: NOW, seq, sent: NOW, taken: 0, lost: {} };
  const message = {
    topic: 't',
    partition: 0,
    offset: BigInt(offset),
    key: null,
    value: null,
    headers: {},
    timestamp: NOW,
  };
  return { message, bytes: 0, headers, mapped: null, batch: null, reason: usable ? '' : 'damaged', skewMs: 0 };
}

it('asks nothing of runs that go on, and once of a run that is new or has an earlier number', async () => {
  const partition = new Partition('goes-on');
  const questions = async (...sent: Sent[]) => {
    const before = asked;
    const found = await partition.block(sent);
    return [asked - before, ...found];
  };
  expect(await questions(['a', 7], ['b', 1])).toEqual([1, false, false]);
  expect(await questions(['a', 8], ['b', 2], ['a', 9])).toEqual([0, false, false, false]);
  expect(await questions(['a', 12], ['b', 3, false])).toEqual([0, false, false]);
  // A number that could not be used is none that is stored, and one that was left out is asked for.
  expect(await questions(['b', 3], ['b', 3])).toEqual([0, false, true]);
  expect(await questions(['a', 11], ['a', 9], ['a', 13])).toEqual([1, false, true, false]);
  partition.reassign();
  expect(await questions(['a', 14], ['b', 4])).toEqual([1, false, false]);
  expect(await questions(['a', 15], ['b', 5], ['c', 1])).toEqual([1, false, false, false]);
});

it('finds what a look at everything before finds, whatever is repeated, late, damaged, retried, forgotten or reassigned', async () => {
  let state = 12_345;
  const below = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
  for (const options of [{}, { kept: 2, learntAtOnce: 1 }, { kept: 1, learntAtOnce: 3 }]) {
    const partition = new Partition(`random ${JSON.stringify(options)}`, options);
    const usableBefore = new Set<string>();
    const next = new Map<string, number>();
    let duplicates = 0;
    for (let round = 0; round < 40; round++) {
      const sent = Array.from({ length: 1 + below(6) }, (): Sent => {
        const run = `n${below(2)}/${below(2)}`;
        const seq = (next.get(run) ?? 0) + 1 + (below(5) === 0 ? below(3) : 0);
        const back = below(3) === 0 ? below(4) : 0;
        next.set(run, Math.max(seq, next.get(run) ?? 0));
        return [run, Math.max(1, seq - back), below(6) > 0];
      });
      const expected = sent.map(([run, seq, usable]) => {
        const duplicate = usableBefore.has(`${run} ${seq}`);
        if (usable) usableBefore.add(`${run} ${seq}`);
        return duplicate;
      });
      duplicates += expected.filter(Boolean).length;
      if (below(10) === 0) partition.reassign();
      const answer = await partition.block(sent, 1 + (below(8) === 0 ? 1 : 0));
      expect([round, answer]).toEqual([round, expected]);
    }
    expect(duplicates).toBeGreaterThan(10);
  }
});
