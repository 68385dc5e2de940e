/** pass = as good as it gets; degraded = works with less; fail = this part does not work. */
export type CheckStatus = 'pass' | 'degraded' | 'fail';

export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found. */
  readonly detail: string;
  /** What would make it better; absent when there is nothing to do. */
  readonly fix?: string;
}

export type Finding = Omit<Check, 'name'>;

/** What checks read of the machine; the real one is `machine.ts`, tests pass their own. */
export interface Machine {
  /** @throws when the file cannot be read */
  readText(path: string): Promise<string>;
  /** @throws when it is no link that can be read */
  readLink(path: string): Promise<string>;
  exists(path: string): Promise<boolean>;
}

export interface DoctorOptions {
  /** Path of `perfleet-sampler`. */
  readonly samplerBinary: string;
  /** `host:port`, or several with commas between. */
  readonly broker?: string;
  /** `redis[s][-sentinel|-cluster]://…` */
  readonly redis?: string;
  /** `http://host:8123` */
  readonly clickhouse?: string;
  readonly dataDir?: string;
  /** Of every check, milliseconds. */
  readonly timeoutMs?: number;
  readonly machine?: Machine;
}

export const CHECK_TIMEOUT_MS = 2000;
