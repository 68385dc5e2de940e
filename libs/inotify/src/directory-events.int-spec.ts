import { mkdirSync, mkdtempSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryEvents, parseEvents, WatchError } from './directory-events.ts';

let top: string;
let events: DirectoryEvents;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'perfleet-inotify-'));
  events = new DirectoryEvents();
});
afterEach(() => {
  events.close();
  rmSync(top, { recursive: true, force: true });
});
const told = () => events.read().map(({ kind, name }) => `${kind} ${name}`.trim());

describe('DirectoryEvents', () => {
  it('tells of directories in the order in which they came and went, at the next read and once', () => {
    const watch = events.add(top);
    expect(events.read()).toEqual([]);
    mkdirSync(join(top, 'a'));
    mkdirSync(join(top, 'bü'));
    renameSync(join(top, 'bü'), join(top, 'c'));
    rmdirSync(join(top, 'a'));
    expect(events.read()).toEqual([
      { watch, kind: 'came', name: 'a' },
      { watch, kind: 'came', name: 'bü' },
      { watch, kind: 'went', name: 'bü' },
      { watch, kind: 'came', name: 'c' },
      { watch, kind: 'went', name: 'a' },
    ]);
    expect(events.read()).toEqual([]);
  });

  it('says nothing of files', () => {
    events.add(top);
    writeFileSync(join(top, 'cgroup.procs'), '1');
    writeFileSync(join(top, 'cgroup.procs'), '2');
    expect(events.read()).toEqual([]);
  });

  it('ends a watch with its directory, and gives the same one for the same directory', () => {
    mkdirSync(join(top, 'a'));
    const watch = events.add(join(top, 'a'));
    expect(events.add(join(top, 'a'))).toBe(watch);
    rmdirSync(join(top, 'a'));
    expect(events.read()).toEqual([{ watch, kind: 'ended', name: '' }]);
    mkdirSync(join(top, 'a'));
    expect(events.add(join(top, 'a'))).not.toBe(watch);
    events.remove(watch);
  });

  it('hands over more events than one buffer holds', () => {
    events.add(top);
    const names = Array.from({ length: 800 }, (_, n) => `${n}-${'x'.repeat(100)}`);
    for (const name of names) mkdirSync(join(top, name));
    expect(told()).toEqual(names.map((name) => `came ${name}`));
  });

  it('names the errno of what cannot be watched', () => {
    writeFileSync(join(top, 'file'), '');
    const codeOf = (path: string) => {
      try {
        return String(events.add(path));
      } catch (error) {
        return error instanceof WatchError ? error.code : String(error);
      }
    };
    expect(codeOf(join(top, 'nothing'))).toBe('ENOENT');
    expect(codeOf(join(top, 'file'))).toBe('ENOTDIR');
  });
});

describe('parseEvents', () => {
  const event = (wd: number, mask: number, name = '') => {
    const padded = name === '' ? 0 : Math.ceil((name.length + 1) / 16) * 16;
    const bytes = Buffer.alloc(16 + padded);
    bytes.writeInt32LE(wd, 0);
    bytes.writeUInt32LE(mask, 4);
    bytes.writeUInt32LE(padded, 12);
    bytes.write(name, 16);
    return bytes;
  };

  it('reads an overflow, and leaves out what is cut off', () => {
    const bytes = Buffer.concat([event(-1, 0x4000), event(3, 0x4000_0100, 'pod1'), event(4, 0x4000_0100, 'x')]);
    expect(parseEvents(bytes.subarray(0, bytes.length - 20))).toEqual([
      { watch: -1, kind: 'overflow', name: '' },
      { watch: 3, kind: 'came', name: 'pod1' },
    ]);
  });
});
