import { join } from 'node:path';
import type { AlertChange } from '@perfleet/messages';
import { openSqliteNodeState, type AlertRecord, type NodeStateStore, type Silence } from '@perfleet/node-state';
import { createLogger } from '@perfleet/observability';
import { tempDir } from '@perfleet/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AlertArchive } from './alert-archive.ts';
import { keyOf, ofSilence, type KeptItem } from './alert-items.ts';

const logger = createLogger('test', { level: 'silent' });
const silence = (id: string): Silence => ({
  ...{ id, kind: '', node: 'a*', cluster: '', createdAt: 1, until: Date.now() + 3_600_000, by: 'me', comment: '' },
});
const record = (change: Partial<AlertRecord>): AlertRecord => ({
  ...{ id: 'x', kind: 'loss', node: 'a', cluster: '', severity: 'warning', status: 'firing', reason: '12 % lost' },
  ...{ since: 1, firedAt: 2, resolvedAt: 0, told: {}, ...change },
});

/** The copy is what was told, as the aggregator would have written it, or nothing while `away`. */
class Copy {
  away = false;
  refuses = false;
  readonly told: string[] = [];
  readonly items = new Map<string, KeptItem>();

  read = async () => (this.away ? null : [...this.items.values()].filter(({ body }) => body !== ''));
  send = async (changes: readonly AlertChange[]) => {
    if (this.refuses) throw new Error('no broker');
    for (const { item, id, removed, body } of changes) {
      this.told.push(`${removed ? '-' : '+'}${item} ${id}`);
      this.items.set(keyOf({ item, id }), { item, id, body });
    }
  };
}

let dir: ReturnType<typeof tempDir>;
let store: NodeStateStore;
let copy: Copy;
let archive: AlertArchive;
let files = 0;
beforeEach(() => {
  dir = tempDir();
  copy = new Copy();
  empty();
  archive = another();
});
afterEach(async () => {
  await store.close();
  dir.remove();
});

function empty(): void {
  store = openSqliteNodeState({ path: join(dir.path, `${files++}.db`) });
  // The archive holds the store's alerts by this object, whatever is behind it.
  Object.assign(alerts, store.alerts);
}
const alerts = {} as NodeStateStore['alerts'];
const another = () => new AlertArchive(alerts, copy.read, copy, logger);
/** A look, and the time that the copy takes to be told. */
async function look(): Promise<string[]> {
  await archive.look();
  await new Promise((resolve) => setImmediate(resolve));
  return copy.told.splice(0);
}

describe('the copy of the alert store', () => {
  it('is told of every change once, and of what failed again', async () => {
    await alerts.putSilence(silence('s'));
    expect(await look()).toEqual(['+silence s']);
    expect(await look()).toEqual([]);
    copy.refuses = true;
    await alerts.acknowledge({ alert: 'x', occurrence: 2, at: 5, by: 'me', comment: '' });
    await alerts.removeSilence('s');
    expect(await look()).toEqual([]);
    copy.refuses = false;
    expect(await look()).toEqual(['+acknowledgement x', '-silence s']);
    expect(await look()).toEqual([]);
  });

  it('is not told of alerts that are pending, nor of a reason that only has another number', async () => {
    await alerts.lead('me', 60_000);
    const put = (change: Partial<AlertRecord>) =>
      alerts.commit('me', { put: [record(change)], remove: [], history: [] });
    await put({ status: 'pending', firedAt: 0 });
    expect(await look()).toEqual([]);
    await put({});
    expect(await look()).toEqual(['+record x']);
    await put({ reason: '13 % lost' });
    expect(await look()).toEqual([]);
    await put({ told: { hook: { status: 'firing', at: 7 } } });
    expect(await look()).toEqual(['+record x']);
  });

  it('gives everything back to an empty store, also what it has not been told of yet', async () => {
    for (const id of ['s', 'lifted']) await alerts.putSilence(silence(id));
    await look();
    copy.items.set('silence late', ofSilence(silence('late')));
    // The stream takes it, and the profile store does not have it yet.
    const lagging = new Map(copy.items);
    await alerts.removeSilence('lifted');
    await alerts.putSilence(silence('new'));
    expect(await look()).toEqual(['+silence new', '-silence lifted']);
    copy.items.clear();
    for (const [key, item] of lagging) copy.items.set(key, item);
    await store.close();
    empty();
    await look();
    expect((await alerts.silences()).map(({ id }) => id).sort()).toEqual(['late', 'new', 's']);
  });

  it('is waited for by an empty store of a new api, which works meanwhile', async () => {
    await alerts.putSilence(silence('s'));
    await look();
    await store.close();
    empty();
    archive = another();
    copy.away = true;
    await alerts.putSilence(silence('meanwhile'));
    expect(await look()).toEqual([]);
    expect(await alerts.snapshot(1)).toMatchObject({ complete: false });
    copy.away = false;
    expect(await look()).toEqual(['+silence meanwhile']);
    expect((await alerts.silences()).map(({ id }) => id).sort()).toEqual(['meanwhile', 's']);
  });

  it('takes nothing for removed that another leader did', async () => {
    await look();
    archive.forget();
    const other = another();
    await alerts.putSilence(silence('s'));
    await other.look();
    await new Promise((resolve) => setImmediate(resolve));
    await alerts.removeSilence('s');
    // It leads again, and hears only now of the silence that the other one told of.
    copy.told.length = 0;
    expect(await look()).toEqual(['-silence s']);
  });
});
