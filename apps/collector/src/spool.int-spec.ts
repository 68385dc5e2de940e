import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '@perfleet/observability';
import { SmallDisk, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Publisher } from './publisher.ts';
import { Spool, type SpoolRecord } from './spool.ts';

const EPOCH = '00000000000000aa';
const dir = tempDir('perfleet-full-disk-');
const { disk, reason } = SmallDisk.open(join(dir.path, 'disk'), 2);
const path = join(dir.path, 'disk/spool.db');

const record = (samples: number): SpoolRecord => {
  return { topic: 't', epoch: EPOCH, body: Buffer.alloc(5000, 'x'), samples };
};

describe.skipIf(!disk)(`a spool on a full disk${reason && ` (skipped: ${reason})`}`, () => {
  let spool: Spool;
  beforeEach(() => {
    spool = Spool.open(path, { bytes: 1 << 20 });
    spool.beginEpoch(EPOCH, 1000);
    for (let n = 1; n <= 20; n++) expect(spool.append([record(n)])).toBe(true);
    disk!.fill();
  });
  afterEach(() => {
    spool.close();
    disk!.free();
    for (let s = Spool.open(path, { bytes: 1 << 20 }), m = s.next(); ; m = s.next()) {
      if (m) s.settle(m.id);
      else return s.close();
    }
  });
  afterAll(() => {
    disk!.remove();
    dir.remove();
  });

  it('counts what it could not take, and what it could not settle is settled when there is room again', () => {
    let [refused, unsettled] = [0, 0];
    for (let n = 0; n < 400; n++) {
      const before = spool.pendingBytes;
      try {
        const message = spool.next();
        if (message) spool.settle(message.id);
      } catch {
        unsettled++;
        expect(spool.pendingBytes).toBe(before);
      }
      if (!spool.append([record(1)])) refused++;
    }
    expect(refused).toBeGreaterThan(0);
    expect(unsettled).toBeGreaterThan(0);
    disk!.free();
    spool.append([record(0)]);
    for (let m = spool.next(); m; m = spool.next()) spool.settle(m.id);
    expect(spool.pendingBytes).toBe(0);
    expect(spool.counts(EPOCH)).toMatchObject({ taken: 610, stored: 610 - refused, lost: { 'spool-full': refused } });
  });

  it('is opened again with everything that it held, or not at all', () => {
    spool.close();
    const opened = () => Spool.open(path, { bytes: 1 << 20 });
    try {
      spool = opened();
    } catch (error) {
      expect(String(error)).toMatch(/full|I\/O|open/);
      disk!.free();
      spool = opened();
    }
    expect(spool.openedWith).toBe('');
    expect(existsSync(`${path}.corrupt`)).toBe(false);
    expect(spool.next()?.samples).toBe(1);
    expect(spool.pendingBytes).toBe(20 * 5200);
  });

  it('does not send again what the stream has', async () => {
    const sent: string[] = [];
    // A spool whose disk takes nothing at all, for as long as it is said to.
    let full = true;
    let refusals = 0;
    const settle = spool.settle.bind(spool);
    spool.settle = (id) => {
      if (full && ++refusals) throw new Error('database or disk is full');
      settle(id);
    };
    const producer = {
      send: async (_topic: string, messages: ReadonlyArray<{ headers?: Readonly<Record<string, string>> }>) =>
        void sent.push(messages[0]!.headers!['seq']!),
      close: async () => undefined,
    };
    const publisher = new Publisher({
      ...{ stream: { producer: async () => producer }, spool, node: 'n', backoffMs: { min: 1, max: 5 } },
      logger: createLogger('test', { level: 'silent' }),
    });
    publisher.start();
    await waitFor(() => refusals >= 5, { timeoutMs: 10_000, what: 'five refusals' });
    expect(sent).toEqual(['1']);
    full = false;
    await waitFor(() => sent.length >= 20, { timeoutMs: 10_000, what: 'the other messages' });
    await publisher.stop(1000);
    expect(sent).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 1)));
  });
});
