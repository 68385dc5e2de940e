import { bounded } from './bounded.ts';
import { checkBtf, checkCapabilities, checkKernel, checkMemory, checkParanoid } from './kernel-checks.ts';
import { realMachine } from './machine.ts';
import { CHECK_TIMEOUT_MS, type Check, type DoctorOptions, type Finding } from './model.ts';
import { checkBpffs, checkCgroups, checkPidNamespace, checkTracefs } from './mount-checks.ts';
import { checkSampler } from './sampler-check.ts';
import { checkBroker, checkClickHouse, checkDataDir, checkRedis } from './service-checks.ts';
import { checkNode } from './tools-check.ts';

/** Whether some rung can run is what the sampler itself says. */
export const SAMPLER_CHECK = 'sampler';

/** Looks at this machine and at the services that are named. Never rejects; every check is bounded in time. */
export function runDoctor(options: DoctorOptions): Promise<Check[]> {
  const { broker, redis, clickhouse, dataDir, samplerBinary } = options;
  const machine = options.machine ?? realMachine;
  const timeoutMs = options.timeoutMs ?? CHECK_TIMEOUT_MS;
  const checks: Array<[name: string, check: ((signal: AbortSignal) => Promise<Finding>) | null]> = [
    ['kernel', () => checkKernel(machine)],
    ['btf', () => checkBtf(machine)],
    ['capabilities', () => checkCapabilities(machine)],
    ['perf_event_paranoid', () => checkParanoid(machine)],
    ['cgroups', () => checkCgroups(machine)],
    ['pid namespace', () => checkPidNamespace(machine)],
    ['tracefs', () => checkTracefs(machine)],
    ['bpf file system', () => checkBpffs(machine)],
    ['memory', () => checkMemory(machine)],
    ['node.js', () => checkNode()],
    [SAMPLER_CHECK, (signal) => checkSampler(samplerBinary, signal)],
    ['broker', broker ? (signal) => checkBroker(broker, signal) : null],
    ['redis', redis ? () => checkRedis(redis, timeoutMs) : null],
    ['clickhouse', clickhouse ? (signal) => checkClickHouse(clickhouse, signal) : null],
    ['data directory', dataDir ? () => checkDataDir(dataDir) : null],
  ];
  return Promise.all(checks.flatMap(([name, check]) => (check ? [bounded(name, timeoutMs, check)] : [])));
}

/** 0 when some rung can run, else 1. */
export function exitCode(checks: readonly Check[]): 0 | 1 {
  return checks.some(({ name, status }) => name === SAMPLER_CHECK && status !== 'fail') ? 0 : 1;
}
