import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireTool, tempDir, waitFor } from '@perfleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPerfleet, urlIn } from '../support/perfleet.ts';
import { repository } from '../support/workloads.ts';

const missing = ['gcc', 'unshare'].map(requireTool).find((tool) => !tool.available);
const reason = process.getuid?.() !== 0 ? 'needs root, which it confines' : (missing?.reason ?? '');

/** Lets bpf() and perf_event_open() fail, as the seccomp profile of a container runtime does, and becomes the rest of its arguments. */
const REFUSE = `
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  struct sock_filter rows[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_perf_event_open, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = { sizeof(rows) / sizeof(*rows), rows };
  if (argc < 2 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 1;
  execvp(argv[1], argv + 1);
  return 1;
}
`;
const HIDE_BTF = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';

describe.skipIf(reason !== '')(`the ladder in the node's state${reason && ` (skipped: ${reason})`}`, () => {
  const dir = tempDir();
  const refuse = join(dir.path, 'refuse');
  beforeAll(() => {
    writeFileSync(`${refuse}.c`, REFUSE);
    execFileSync('gcc', ['-o', refuse, `${refuse}.c`]);
  });
  afterAll(() => dir.remove());

  it.each([
    [
      'a kernel without BTF',
      () => ['unshare', '-m', 'sh', '-c', HIDE_BTF, 'sh'],
      2,
      /BTF \(\/sys\/kernel\/btf\/vmlinux\)/,
    ],
    [
      'a seccomp filter that refuses bpf() and perf_event_open()',
      () => [refuse],
      4,
      /rung 1: eBPF.*rung 2: perf_event_open/s,
    ],
  ])('%s', async (name, confined, rung, words) => {
    const up = await startPerfleet(
      [
        ...['up', '--http-port', '0', '--otlp-grpc-port', 'off', '--otlp-http-port', 'off'],
        ...['--data', join(dir.path, `${rung}`)],
      ],
      {},
      60_000,
      confined(),
    );
    try {
      const server = urlIn(up.line).replace(/\/$/, '');
      const node = await waitFor(
        async () => {
          const { nodes } = (await (await fetch(`${server}/api/v1/nodes`)).json()) as {
            nodes: Array<{ alive: boolean; rung: number; rungReason: string }>;
          };
          return nodes[0]?.rungReason ? nodes[0] : null;
        },
        { timeoutMs: 60_000, what: `the reason for the rung: ${name}` },
      );
      expect(node).toMatchObject({ alive: true, rung, rungReason: expect.stringMatching(words) });
    } finally {
      expect((await up.stop('SIGINT')).code, up.log()).toBe(0);
    }
  });

  it('doctor fails where no rung can run, and says why', () => {
    const bundle = join(repository, 'bin/perfleet.mjs');
    const doctor = spawnSync(refuse, [process.execPath, bundle, 'doctor'], { encoding: 'utf8' });
    expect(doctor.status, doctor.stdout).toBe(1);
    expect(doctor.stdout).toMatch(/fail +sampler .*rung 1: eBPF.*rung 2: perf_event_open.*rung 3: perf_event_open/);
  });
});
