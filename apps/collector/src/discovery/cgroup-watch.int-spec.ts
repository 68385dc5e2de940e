import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CgroupWatch } from './cgroup-watch.ts';

let top: string;
let watch: CgroupWatch;
let told: string[];
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'perfleet-watch-'));
  told = [];
  watch = open();
});
afterEach(() => {
  watch.close();
  rmSync(top, { recursive: true, force: true });
});

/** Directories called `c…` are containers: nothing below them is of interest. Nothing is told before `read`. */
function open(maxWatches?: number) {
  return new CgroupWatch({
    wanted: (path) => !/\/c[^/]*$/.test(path),
    onChange: (path, inode) => {
      const name = path.slice(top.length);
      if (inode !== null) expect(inode).toBe(statSync(path, { bigint: true }).ino);
      told.push(`${inode === null ? '-' : '+'}${name}`);
    },
    onLost: () => told.push('lost'),
    everyMs: 3_600_000,
    ...(maxWatches !== undefined && { maxWatches }),
  });
}
const make = (...paths: string[]) => paths.forEach((path) => mkdirSync(join(top, path)));
const remove = (...paths: string[]) => paths.forEach((path) => rmdirSync(join(top, path)));
const read = () => {
  watch.read();
  return told.splice(0);
};

describe('CgroupWatch', () => {
  it('tells of what was made in a new directory before and after its watch stood, and of nothing in a container', () => {
    watch.sync([top]);
    make('pod', 'pod/c1', 'pod/c1/inner');
    expect(read()).toEqual(['+/pod', '+/pod/c1']);
    make('pod/c2', 'pod/c2/inner');
    expect(read()).toEqual(['+/pod/c2']);
    remove('pod/c2/inner', 'pod/c2', 'pod/c1/inner', 'pod/c1', 'pod');
    expect(read().sort()).toEqual(['-/pod', '-/pod/c1', '-/pod/c2']);
    expect(watch.counts).toEqual({ watched: 1, refused: 0 });
  });

  it('watches a directory that was made anew under its name', () => {
    make('pod');
    watch.sync([top, join(top, 'pod')]);
    remove('pod');
    make('pod');
    expect(read()).toEqual(['-/pod', '+/pod']);
    make('pod/c1');
    expect(read()).toEqual(['+/pod/c1']);
  });

  it('keeps the watch of what is younger than the walk, and drops what is wanted no longer', () => {
    let unwanted = '';
    watch.close();
    watch = new CgroupWatch({
      wanted: (path) => path !== unwanted,
      onChange: (path, inode) => void told.push(`${inode === null ? '-' : '+'}${path.slice(top.length)}`),
      onLost: () => undefined,
    });
    make('a');
    watch.sync([top, join(top, 'a')]);
    make('young');
    expect(read()).toEqual(['+/young']);
    watch.sync([top, join(top, 'a')]);
    make('young/x');
    expect(read()).toEqual(['+/young/x']);
    unwanted = join(top, 'a');
    watch.sync([top]);
    make('a/x');
    expect(read()).toEqual([]);
  });

  it('is bounded, and what cannot be watched is no error', () => {
    watch.close();
    watch = open(2);
    make('a', 'b');
    watch.sync([top, join(top, 'nothing'), join(top, 'a'), join(top, 'b')]);
    expect(watch.counts).toEqual({ watched: 2, refused: 2 });
    make('a/x');
    expect(read()).toEqual(['+/a/x']);
  });

  it('says nothing any more when it is closed', () => {
    watch.sync([top]);
    watch.close();
    make('a');
    expect(read()).toEqual([]);
  });
});
