import { describe, expect, it } from 'vitest';
import { bounded } from './bounded.ts';
import { effectiveCapabilities } from './capabilities.ts';
import { formatChecks } from './format.ts';
import { checkBtf, checkCapabilities, checkKernel, checkMemory, checkParanoid } from './kernel-checks.ts';
import type { Machine } from './model.ts';
import { checkBpffs, checkTracefs, checkCgroups, checkPidNamespace } from './mount-checks.ts';
import { exitCode } from './run.ts';
import { judgeProbe } from './sampler-check.ts';

/** A machine that consists of these files and links. */
function machine(files: Record<string, string>, links: Record<string, string> = {}): Machine {
  const read = (from: Record<string, string>, path: string) =>
    path in from ? Promise.resolve(from[path]!) : Promise.reject(new Error(`ENOENT: ${path}`));
  return {
    readText: (path) => read(files, path),
    readLink: (path) => read(links, path),
    exists: (path) => Promise.resolve(path in files),
  };
}

const status = (mask: string) => ({ '/proc/self/status': `Name:\tnode\nCapEff:\t${mask}\n` });
const paranoid = (level: number, mask = '0') =>
  machine({ ...status(mask), '/proc/sys/kernel/perf_event_paranoid': `${level}\n` });
const release = (text: string) => machine({ '/proc/sys/kernel/osrelease': `${text}\n` });

describe('kernel', () => {
  it('compares versions by number', async () => {
    expect((await checkKernel(release('6.18.44-x'))).status).toBe('pass');
    expect((await checkKernel(release('5.10.0-9-amd64'))).status).toBe('pass');
    expect(await checkKernel(release('5.7.19'))).toMatchObject({ status: 'degraded', fix: expect.any(String) });
    expect((await checkKernel(release('4.19.0'))).status).toBe('degraded');
    expect((await checkKernel(release('odd'))).status).toBe('degraded');
  });

  it('knows what missing type information costs', async () => {
    expect((await checkBtf(machine({ '/sys/kernel/btf/vmlinux': '' }))).status).toBe('pass');
    expect((await checkBtf(machine({}))).status).toBe('degraded');
  });
});

describe('capabilities', () => {
  it('decodes the mask by name', () => {
    expect(effectiveCapabilities('CapEff:\t000000c000080000\n')).toEqual(['CAP_SYS_PTRACE', 'CAP_PERFMON', 'CAP_BPF']);
    expect(effectiveCapabilities('CapEff:\t0000000000200000\n')).toEqual(['CAP_SYS_ADMIN']);
    expect(effectiveCapabilities('CapEff:\t0000020000000000\n')).toEqual(['CAP_41']);
    expect(effectiveCapabilities('CapEff: 0\n')).toEqual([]);
    expect(effectiveCapabilities('nothing')).toBeNull();
  });

  it('asks for what a rung needs', async () => {
    expect((await checkCapabilities(machine(status('000000c000080000')))).status).toBe('pass');
    expect(await checkCapabilities(machine(status('0000004000080000')))).toMatchObject({
      status: 'degraded',
      detail: expect.stringContaining('perf events only'),
    });
    expect(await checkCapabilities(machine(status('0')))).toMatchObject({
      status: 'degraded',
      fix: expect.stringContaining('CAP_BPF'),
    });
  });

  it('lets one of them override perf_event_paranoid', async () => {
    expect((await checkParanoid(paranoid(4, '0000004000000000'))).status).toBe('pass');
    expect((await checkParanoid(paranoid(-1))).status).toBe('pass');
    expect((await checkParanoid(paranoid(2))).detail).toContain('own processes');
    expect((await checkParanoid(paranoid(3))).detail).toContain('no perf events');
  });
});

describe('mounts and namespaces', () => {
  const V2 = '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw';
  const cgroups = (mountinfo: string[], ns: number) =>
    checkCgroups(
      machine({ '/proc/self/mountinfo': mountinfo.join('\n') }, { '/proc/self/ns/cgroup': `cgroup:[${ns}]` }),
    );

  it('tells a private cgroup namespace from one beside the host’s mount', async () => {
    expect(await cgroups([V2], 4026531835)).toMatchObject({ status: 'pass', detail: 'v2 at /sys/fs/cgroup' });
    expect(await cgroups([V2], 4026532000)).toMatchObject({ status: 'degraded', fix: expect.any(String) });
    expect((await cgroups([V2, '31 1 0:26 /../.. /host rw - cgroup2 cgroup2 rw'], 4026532000)).status).toBe('pass');
    expect((await cgroups(['1 0 8:1 / / rw - ext4 x rw'], 4026531835)).status).toBe('degraded');
  });

  it('says which hierarchies are visible', async () => {
    const v1 = (id: number, options: string, at: string) => `${id} 23 0:${id} / ${at} rw - cgroup cgroup rw,${options}`;
    const mounts = [
      ...[v1(40, 'cpu,cpuacct', '/cg/cpu'), v1(41, 'memory', '/cg/memory'), v1(41, 'memory', '/elsewhere')],
      '42 23 0:42 / /cg/unified rw - cgroup2 cgroup2 rw',
    ];
    const { detail } = await cgroups(mounts, 4026531835);
    expect(detail).toBe('v2 at /cg/unified and 2 of v1 (cpu,cpuacct; memory)');
  });

  it('knows the host’s PID namespace', async () => {
    const pid = (ns: number) => checkPidNamespace(machine({}, { '/proc/self/ns/pid': `pid:[${ns}]` }));
    expect((await pid(4026531836)).status).toBe('pass');
    expect(await pid(4026532111)).toMatchObject({ status: 'degraded', fix: 'set hostPID: true' });
  });

  it('finds a file system by its type, wherever it is mounted', async () => {
    const found = await checkBpffs(machine({ '/proc/self/mountinfo': '1 2 0:3 / /mnt/bpf rw - bpf bpf rw' }));
    expect(found).toEqual({ status: 'pass', detail: '/mnt/bpf' });
    expect((await checkBpffs(machine({ '/proc/self/mountinfo': V2 }))).fix).toContain('mount -t bpf');
    const trace = '1 2 0:3 / /sys/kernel/debug/tracing rw - tracefs tracefs rw';
    expect(await checkTracefs(machine({ '/proc/self/mountinfo': trace }))).toMatchObject({ status: 'pass' });
    const none = await checkTracefs(machine({ '/proc/self/mountinfo': V2 }));
    expect(none).toMatchObject({ status: 'degraded', fix: expect.stringContaining('mount -t tracefs') });
  });

  it('reads the limits of either cgroup version', async () => {
    const limits = { '/proc/self/limits': 'Max locked memory         8388608    8388608    bytes\n' };
    const none = '/sys/fs/cgroup/memory/memory.limit_in_bytes';
    expect(await checkMemory(machine({ ...limits, '/sys/fs/cgroup/memory.max': 'max\n' }))).toEqual({
      status: 'pass',
      detail: 'locked memory 8 MiB; cgroup limit none',
    });
    expect((await checkMemory(machine({ ...limits, [none]: '9223372036854771712\n' }))).status).toBe('pass');
    expect((await checkMemory(machine({ ...limits, '/sys/fs/cgroup/memory.max': '33554432\n' }))).status).toBe(
      'degraded',
    );
  });
});

describe('sampler', () => {
  const probe = (...oks: boolean[]) =>
    judgeProbe(
      JSON.stringify({
        kernel: 'x',
        rungs: oks.map((ok, i) => ({ rung: i + 1, ok, error: ok ? '' : `why ${i + 1}` })),
      }),
    );

  it('judges the best rung that can run, and says why no better one', () => {
    expect(probe(true, true, true).status).toBe('pass');
    expect(probe(false, true, true)).toMatchObject({
      status: 'degraded',
      detail: expect.stringContaining('rung 1: why 1'),
    });
    expect(probe(false, false, false)).toMatchObject({ status: 'fail', detail: expect.stringContaining('why 3') });
    for (const output of ['', 'no', '{}', '{"rungs":1}', '[]']) expect(judgeProbe(output).status).toBe('fail');
  });

  it('decides the exit code alone', () => {
    const check = (name: string, each: 'pass' | 'degraded' | 'fail') => ({ name, status: each, detail: '' });
    expect(exitCode([check('sampler', 'degraded'), check('redis', 'fail')])).toBe(0);
    expect(exitCode([check('sampler', 'fail'), check('redis', 'pass')])).toBe(1);
    expect(exitCode([])).toBe(1);
  });
});

describe('bounded', () => {
  it('turns an error and a silence into a finding', async () => {
    expect(await bounded('a', 1000, () => Promise.reject(new Error('EACCES')))).toEqual({
      name: 'a',
      status: 'fail',
      detail: 'EACCES',
    });
    let stopped = false;
    const silent = await bounded('b', 10, (signal) => {
      signal.addEventListener('abort', () => (stopped = true));
      return new Promise(() => undefined);
    });
    expect(silent).toMatchObject({ status: 'fail', detail: 'no answer within 10 ms' });
    expect(stopped).toBe(true);
  });
});

describe('formatChecks', () => {
  const checks = [
    { name: 'kernel', status: 'pass', detail: 'Linux 6.1' },
    { name: 'cgroups', status: 'degraded', detail: 'private\n\u001b[2Jnamespace', fix: 'share it' },
  ] as const;

  it('aligns, and adds no colour where none is wanted', () => {
    expect(formatChecks(checks, { colour: false }).split('\n')).toEqual([
      'pass      kernel   Linux 6.1',
      'degraded  cgroups  private [2Jnamespace',
      '                   fix: share it',
    ]);
    expect(formatChecks(checks, { colour: true })).toContain('\u001b[33mdegraded\u001b[0m');
  });
});
