import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** Of a start, which takes a third of a second of CPU, as the sampler's is (native/sampler/src/system.rs); bin/perfleet.mjs begins it. */
const NICE_AT_START = -10;
/** Below the sampler's. */
const NICE = -5;

/**
 * What makes a process fit for the collector, before its code is loaded, which is most of what it ever allocates.
 *
 * A young generation that keeps its first size instead of growing to twice 16 MiB is an eighth of its memory. And a busy node is what
 * it is there for: with hundreds of runnable processes a turn among equals comes once in seconds, and the collector needs little CPU
 * (its budget is kept by the governor). Without CAP_SYS_NICE it takes its turn.
 */
export function prepareCollectorProcess(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  takeTurn(NICE_AT_START);
}

/** It has started. */
export function settleCollectorProcess(): void {
  takeTurn(NICE);
}

/** With all its threads: those that V8 made before collect garbage while the first one waits for them. */
function takeTurn(nice: number): void {
  for (const thread of readdirSync('/proc/self/task'))
    try {
      setPriority(Number(thread), nice);
    } catch {
      // Not allowed to, or it has ended.
    }
}
