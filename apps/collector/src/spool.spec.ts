import { copyFileSync, existsSync, mkdtempSync, rmSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeProfiles } from '@perfleet/otlp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgeClock } from './age-clock.ts';
import { Spool, type SpoolRecord } from './spool.ts';
import { sum } from './spool-row.ts';

const EPOCH = '00000000000000aa';
let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perfleet-spool-'));
  path = join(dir, 'spool.db');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(bytes = 1 << 20): Spool {
  const spool = Spool.open(path, { bytes });
  spool.beginEpoch(EPOCH, 1000);
  return spool;
}

function record(samples: number | null, text = 'x', lost?: Record<string, number>): SpoolRecord {
  return { topic: 't', epoch: EPOCH, body: Buffer.from(text), samples, lost };
}

function drain(spool: Spool) {
  const out = [];
  for (let m = spool.next(); m; m = spool.next()) {
    out.push({ text: Buffer.from(m.body).toString(), ...m });
    spool.settle(m.id);
  }
  return out;
}

describe('Spool', () => {
  it('gives messages back in order with counts that add up after each', () => {
    const spool = open();
    spool.append([record(5, 'a'), record(7, 'b', { 'map-full': 2 })]);
    spool.append([record(null, 'event'), record(1, 'c')]);
    const out = drain(spool);
    expect(out.map((m) => m.text)).toEqual(['a', 'b', 'event', 'c']);
    expect(out.map((m) => m.headers?.seq)).toEqual([1, 2, undefined, 3]);
    expect(out.map((m) => m.headers?.taken)).toEqual([5, 14, undefined, 15]);
    expect(out[3]!.headers).toEqual({ epoch: EPOCH, epochStart: 1000, seq: 3, taken: 15, lost: { 'map-full': 2 } });
    expect(spool.counts(EPOCH)).toMatchObject({ taken: 15, stored: 13, lost: { 'map-full': 2 } });
    expect(spool.pendingBytes).toBe(0);
    spool.close();
  });

  it('drops the oldest over its bound, and later messages count what was dropped', () => {
    const spool = open(2999);
    const body = 'y'.repeat(800);
    for (let n = 1; n <= 10; n++) spool.append([record(n, body, n === 2 ? { throttled: 100 } : {})]);
    expect(spool.pendingBytes).toBeLessThanOrEqual(3000);
    const out = drain(spool);
    expect(out.map((m) => m.headers!.seq)).toEqual([9, 10]);
    // 9 and 10 are stored; 1 to 8 are dropped, and what they said of the sampler's losses is not forgotten.
    expect(out.map((m) => m.headers!.lost)).toEqual([1, 2].map(() => ({ throttled: 100, 'spool-dropped': 36 })));
    const last = out[1]!.headers!;
    expect(last.taken).toBe(55 + 100);
    expect(last.taken).toBe(9 + 10 + sum(last.lost as Record<string, number>));
    spool.close();
  });

  it('drops what waited for too long, by time that passed and not by a clock that was set', () => {
    const HOUR = 3_600_000;
    let [wall, steady] = [1_000_000, 0];
    const pass = (ms: number) => ([wall, steady] = [wall + ms, steady + ms]);
    const clock = () => new AgeClock(...([() => wall, () => steady] as const));
    const aged = () => Spool.open(path, { bytes: 1 << 20, ageMs: 2 * HOUR }, clock());
    let spool = aged();
    spool.beginEpoch(EPOCH, 1000);
    spool.append([record(3, 'a')]);
    // The node booted in 1970.
    wall += 56 * 365 * 24 * HOUR;
    pass(1.5 * HOUR);
    spool.append([record(4, 'b')]);
    expect(spool.pendingBytes).toBe(2 * (200 + 1));
    spool.close();
    pass(HOUR);
    spool = aged();
    spool.append([record(5, 'c')]);
    const out = drain(spool);
    expect(out.map((m) => [m.text, m.headers!.seq])).toEqual([
      ['b', 2],
      ['c', 3],
    ]);
    expect(out[1]!.headers).toMatchObject({ taken: 12, lost: { 'spool-dropped': 3 } });
    spool.close();
  });

  it('sends nothing that the disk gave back changed, and counts it', () => {
    const spool = open();
    spool.append([record(3, 'first'), record(4, 'second', { throttled: 2 }), record(null, 'event'), record(5, 'last')]);
    const disk = new DatabaseSync(path);
    disk.exec(`UPDATE messages SET body = CAST('f1rst' AS BLOB) WHERE seq = 1`);
    disk.exec(`UPDATE messages SET lost = '{"throttled":' WHERE seq = 2`);
    disk.exec(`UPDATE messages SET body = CAST('evont' AS BLOB) WHERE seq IS NULL`);
    disk.close();
    const out = drain(spool);
    expect(out.map((m) => m.headers?.seq)).toEqual([1, 2, 3]);
    expect(out.map((m) => m.samples)).toEqual([0, 0, 5]);
    expect(decodeProfiles(out[0]!.body).resources).toEqual([]);
    expect(out[2]).toMatchObject({ text: 'last', headers: { taken: 12, lost: { undecodable: 7 } } });
    spool.close();
  });

  it('takes over what a version without times and sums of messages left', () => {
    let spool = open();
    spool.append([record(3, 'a')]);
    spool.close();
    const old = new DatabaseSync(path);
    for (const column of ['at', 'crc']) old.exec(`ALTER TABLE messages DROP COLUMN ${column}`);
    old.close();
    spool = open();
    spool.append([record(4, 'b')]);
    expect(drain(spool).map((m) => m.text)).toEqual(['a', 'b']);
    spool.close();
  });

  it('never drops the message that is being sent', () => {
    const spool = open(3000);
    spool.append([record(1, 'first')]);
    const sending = spool.next()!;
    for (let n = 0; n < 10; n++) spool.append([record(1, 'z'.repeat(800))]);
    spool.settle(sending.id);
    const out = drain(spool);
    expect(out.at(-1)!.headers).toMatchObject({ seq: 11, taken: 11 });
    expect(spool.counts(EPOCH).stored).toBe(1 + out.length);
    expect(spool.counts(EPOCH).lost).toEqual({ 'spool-dropped': 10 - out.length });
    spool.close();
  });

  it('tells of an epoch whose every message was dropped after it ended', () => {
    const first = open(3000);
    for (let n = 0; n < 2; n++) first.append([record(5, 'x'.repeat(800))]);
    first.close();
    const second = Spool.open(path, { bytes: 3000 });
    const epoch = '00000000000000bb';
    second.beginEpoch(epoch, 2000);
    for (let n = 0; n < 20; n++) second.append([{ ...record(1, 'y'.repeat(800)), epoch }]);
    const out = drain(second);
    const old = out.filter((m) => m.headers!.epoch === EPOCH);
    expect(old.map(({ headers }) => headers)).toEqual([
      expect.objectContaining({ seq: 2, taken: 10, lost: { 'spool-dropped': 10 } }),
    ]);
    expect(decodeProfiles(old[0]!.body).resources).toEqual([]);
    expect(out.at(-1)!.headers).toMatchObject({ epoch, seq: 20, taken: 20 });
    second.close();
  });

  it('keeps messages, sequence and counts over a restart, for the old epoch and beside the new one', () => {
    const first = open();
    first.append([record(3, 'a'), record(4, 'b')]);
    const a = first.next()!;
    first.settle(a.id);
    first.close();
    const second = Spool.open(path, { bytes: 1 << 20 });
    second.beginEpoch('00000000000000bb', 2000);
    expect(second.hasEpoch(EPOCH)).toBe(true);
    second.append([{ ...record(9, 'c'), epoch: '00000000000000bb' }, record(0, 'tail', { 'unclean-exit': 6 })]);
    expect(drain(second).map((m) => [m.text, m.headers!.epoch, m.headers!.seq, m.headers!.taken])).toEqual([
      ['b', EPOCH, 2, 7],
      ['c', '00000000000000bb', 1, 9],
      ['tail', EPOCH, 3, 13],
    ]);
    second.close();
  });

  it('loses at most the record that a kill tore', () => {
    const spool = open();
    for (let n = 0; n < 5; n++) spool.append([record(1, `message ${n} ${'w'.repeat(5000)}`)]);
    // The state of the disk in the middle of the last write: the end of the write-ahead log is missing.
    const torn = join(dir, 'torn.db');
    copyFileSync(path, torn);
    copyFileSync(`${path}-wal`, `${torn}-wal`);
    spool.close();
    truncateSync(`${torn}-wal`, statSync(`${torn}-wal`).size - 2000);
    const after = Spool.open(torn, { bytes: 1 << 20 });
    expect(after.openedWith).toBe('');
    const out = drain(after);
    expect(out.map((m) => m.text.slice(0, 9))).toEqual([0, 1, 2, 3].map((n) => `message ${n}`));
    after.append([record(1)]);
    expect(drain(after)[0]!.headers).toMatchObject({ seq: 5, taken: 5 });
    after.close();
  });

  it('puts a file that is no spool aside and goes on', () => {
    writeFileSync(path, 'this is not a database, whatever the name says '.repeat(100));
    const spool = open();
    expect(spool.openedWith).toMatch(/put aside/);
    expect(existsSync(`${path}.corrupt`)).toBe(true);
    spool.append([record(1, 'a')]);
    expect(drain(spool)).toHaveLength(1);
    spool.close();
  });

  it('counts what the disk refuses in the next message', () => {
    const spool = open();
    spool.append([record(1, 'a')]);
    const unknownEpoch = { ...record(5, 'b', { 'map-full': 2 }), epoch: 'never begun' };
    expect(spool.append([unknownEpoch])).toBe(false);
    expect(spool.carried).toEqual({ 'map-full': 2, 'spool-full': 5 });
    spool.append([record(3, 'c')]);
    expect(drain(spool).at(-1)!.headers).toMatchObject({ seq: 2, taken: 11, lost: { 'map-full': 2, 'spool-full': 5 } });
    spool.close();
  });
});
