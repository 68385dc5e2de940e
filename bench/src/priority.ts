import { getPriority, setPriority } from 'node:os';

const OWN = getPriority();
const FIRST = -10;
let raised = false;

/**
 * This process goes before what it measures, until the function that is returned is called: among hundreds of busy processes its turn
 * comes once in seconds, and what it reads must be of one moment. Without CAP_SYS_NICE it takes its turn.
 */
export function goFirst(): () => void {
  try {
    setPriority(FIRST);
    raised = true;
  } catch {
    return () => undefined;
  }
  return () => {
    raised = false;
    setPriority(OWN);
  };
}

/** What `start` starts before it returns has the priority that this process was started with. */
export function atOwnPriority<T>(start: () => T): T {
  if (!raised) return start();
  setPriority(OWN);
  try {
    return start();
  } finally {
    setPriority(FIRST);
  }
}

/** A process that has just been started has the priority that this one was started with. */
export function giveOwnPriority(pid: number): void {
  if (raised) setPriority(pid, OWN);
}
