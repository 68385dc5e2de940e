import {
  assertBalanced,
  assertCgroup,
  assertChain,
  assertNoMixUp,
  assertRung,
  assertShort,
  assertSleeps,
  type Context,
  type Stream,
  samplesOf,
} from './checks.ts';

export interface Scenario {
  readonly name: string;
  /** Column of the table. */
  readonly title: string;
  /** Shell commands in the guest (guest/init.sh has the functions). They write NAME.bin, the frames of a sampler's run. */
  readonly guest: string;
  /** @returns what stands in the table; @throws Error when the stream is not as it should be */
  check(stream: Stream, context: Context): string;
}

/** Root without the privileges that lift the limit on locked memory, and a small limit. */
const LOCKED = '/opt/setpriv --bounding-set=-sys_resource,-ipc_lock --inh-caps=-all';
/** A user without privileges, who has read access to everything here. */
const NOBODY = '/opt/setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all';
/** Seconds of each program that sleeps: longer than those that wait for the sampler. */
const SLEPT = [1, 5, 1, 1];
const PARANOID = '/proc/sys/kernel/perf_event_paranoid';

/** Loads, samples, walks: what both ways of walking have in common. */
function checkRung1(stream: Stream, context: Context): string {
  assertRung(stream, 1);
  assertBalanced(stream);
  assertCgroup(stream, context);
  return `${assertChain(stream, context)}; ${assertShort(stream, context)}`;
}

const SHORT_LOOP = `
  ( while :; do short 5 30; done ) &
  loop=$!
`;

function walked(name: string, args: string): string {
  return `
    in_cgroup chain 20
    ${SHORT_LOOP}
    sample ${name} --rate 99 --window 2 --duration 14 ${args}
    kill $loop
    end_programs
  `;
}

/** Programs that sleep, one after another, once the sampler looks: SLEPT seconds in all, one of them for longer than windows are. */
function blocked(name: string, args: string): string {
  return `
    sample ${name} --rung 1 --off-cpu --rate 99 --window 2 --duration 16 ${args} &
    sampler=$!
    begun ${name} $sampler
    for seconds in ${SLEPT.join(' ')}; do sleep $seconds; done
    wait $sampler
  `;
}

function checkBlocked(stream: Stream): string {
  assertRung(stream, 1);
  assertBalanced(stream);
  return assertSleeps(stream, SLEPT);
}

function reason(stream: Stream, rung: number, words: RegExp): string {
  assertRung(stream, rung);
  const said = stream.hello.reason;
  if (!words.test(said)) throw new Error(`rung ${rung} says “${said}”, not ${words}`);
  return `rung ${rung}`;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'auto',
    title: 'rung 1',
    guest: walked('auto', ''),
    check: checkRung1,
  },
  {
    name: 'calls',
    title: 'rung 1, tail calls',
    guest: walked('calls', '--rung 1 --walk-by-calls'),
    check: checkRung1,
  },
  {
    name: 'off-cpu',
    title: 'blocked time',
    guest: blocked('off-cpu', ''),
    check: checkBlocked,
  },
  {
    name: 'off-cpu-calls',
    title: 'blocked time, tail calls',
    guest: blocked('off-cpu-calls', '--walk-by-calls'),
    check: checkBlocked,
  },
  {
    name: 'rung2',
    title: 'rung 2 forced',
    guest: walked('rung2', '--rung 2'),
    check(stream, context) {
      assertRung(stream, 2);
      assertBalanced(stream);
      const samples = samplesOf(stream, context.chain.path).length;
      if (samples === 0) throw new Error('no sample of the workload');
      return 'samples';
    },
  },
  {
    name: 'no-btf',
    title: 'BTF hidden',
    guest: `
      mount -t tmpfs none /sys/kernel/btf
      sample no-btf --duration 1
      umount /sys/kernel/btf
    `,
    check: (stream) => reason(stream, 2, /rung 1: .*the kernel has no BTF/),
  },
  {
    name: 'paranoid-all',
    title: 'paranoid −1',
    guest: `echo -1 > ${PARANOID}; ${NOBODY} perfleet-sampler --duration 1 <&3 > /out/paranoid-all.bin; echo 2 > ${PARANOID}`,
    check: (stream) => reason(stream, 2, /rung 1: eBPF: .*CAP_BPF/),
  },
  {
    name: 'paranoid-own',
    title: 'paranoid 2',
    guest: `echo 2 > ${PARANOID}; ${NOBODY} perfleet-sampler --duration 1 <&3 > /out/paranoid-own.bin`,
    check: (stream) => reason(stream, 3, /rung 2: .*perf_event_paranoid \(now 2\)/),
  },
  {
    name: 'paranoid-none',
    title: 'paranoid 3',
    guest: `echo 3 > ${PARANOID}; ${NOBODY} perfleet-sampler --duration 1 <&3 > /out/paranoid-none.bin; echo 2 > ${PARANOID}`,
    check: (stream) => reason(stream, 4, /rung 3: .*perf_event_paranoid \(now 3\)/),
  },
  {
    name: 'locked-memory',
    title: '64 KB of locked memory',
    guest: `
      in_cgroup chain 20
      ( ulimit -l 64; ${LOCKED} perfleet-sampler --duration 2 <&3 > /out/locked-memory.bin )
      end_programs
    `,
    check(stream, { release }) {
      // Kernels before 5.11 charge BPF's maps to this limit.
      if (/^5\.10\./.test(release)) return reason(stream, stream.hello.rung, /RLIMIT_MEMLOCK/);
      assertRung(stream, 1);
      assertBalanced(stream);
      return 'rung 1';
    },
  },
  {
    name: 'pid-reuse',
    title: 'pids used again',
    guest: `
      # The first 300 are not used again.
      echo 340 > /proc/sys/kernel/pid_max
      until [ "$(sh -c 'echo $$')" -ge 300 ]; do :; done
      perfleet-sampler --rate 499 --window 3 <&3 > /out/pid-reuse.bin &
      sampler=$!
      begun pid-reuse $sampler
      # Three times as many as there are numbers, however slow the machine is.
      for i in $(seq 40); do short 5 10; short 5 10; other 5 10; done
      kill $sampler; wait $sampler
      echo 32768 > /proc/sys/kernel/pid_max
    `,
    check(stream, context) {
      assertRung(stream, 1);
      assertBalanced(stream);
      return `${assertNoMixUp(stream, context)} pids`;
    },
  },
  {
    name: 'hot-plug',
    title: 'CPU off and on',
    guest: `
      cpu=/sys/devices/system/cpu/cpu1/online
      sample hot-plug --rate 99 --window 1 --duration 20 &
      sampler=$!
      begun hot-plug $sampler
      sleep 1; echo 0 > $cpu; sleep 2; echo 1 > $cpu; sleep 2
      # Within one window.
      echo 0 > $cpu; echo 1 > $cpu; sleep 3
      in_cgroup taskset 2 chain 20
      wait $sampler
      end_programs
    `,
    check: checkCpu1,
  },
  {
    name: 'suspend',
    title: 'suspended',
    guest: `
      sample suspend --rate 99 --window 1 --duration 20 &
      sampler=$!
      begun suspend $sampler
      sleep 1; echo deep > /sys/power/mem_sleep; echo +3 > /sys/class/rtc/rtc0/wakealarm; echo mem > /sys/power/state; echo "@@ resumed"; sleep 3
      in_cgroup taskset 2 chain 20
      wait $sampler
      end_programs
      # All but one CPU were off, or this shows nothing.
      if [ "$(cat /sys/power/suspend_stats/success)" = 0 ]; then echo "was not suspended" >&2; rm /out/suspend.bin; fi
    `,
    check: checkCpu1,
  },
];

/** The workload ran on the CPU that had been off: it has samples, and they are complete. */
function checkCpu1(stream: Stream, context: Context): string {
  assertRung(stream, 1);
  assertBalanced(stream);
  return assertChain(stream, context);
}
