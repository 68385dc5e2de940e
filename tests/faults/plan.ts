import { Random } from '@perfleet/simulate';

export type FaultKind = 'kill' | 'freeze' | 'restart' | 'fill-disk';

export interface Fault {
  /** After the begin of the faults, milliseconds. */
  readonly at: number;
  readonly target: string;
  readonly kind: FaultKind;
  /** How long it lasts: the time down, frozen or without space. */
  readonly ms: number;
}

const LONGEST_MS: Record<FaultKind, number> = { kill: 2500, freeze: 5000, restart: 0, 'fill-disk': 6000 };
/** Longer than the session of a group member, so that the frozen one is a zombie when it wakes. */
const ZOMBIE_MS = 25_000;
const ZOMBIE_SHARE = 0.2;

/**
 * Every kind of fault for every target in random order, again and again until the time is over. Faults of different targets
 * overlap; those of one follow each other.
 * @param mayFreezeLong targets that a freeze now and then outlasts the session of
 */
export function planFaults(
  seed: number,
  targets: Readonly<Record<string, readonly FaultKind[]>>,
  seconds: number,
  mayFreezeLong: readonly string[],
): Fault[] {
  const random = new Random(seed, 17);
  const pairs = Object.entries(targets).flatMap(([target, kinds]) => kinds.map((kind) => ({ target, kind })));
  const free = new Map<string, number>();
  const plan: Fault[] = [];
  for (let at = 0; at < seconds * 1000;) {
    for (const { target, kind } of shuffled(pairs, random)) {
      at += 200 + random.below(900);
      const long = kind === 'freeze' && mayFreezeLong.includes(target) && random.fraction() < ZOMBIE_SHARE;
      const ms = long && seconds >= 60 ? ZOMBIE_MS : random.below(LONGEST_MS[kind] + 1);
      const begin = Math.max(at, free.get(target) ?? 0);
      if (at >= seconds * 1000) break;
      if (begin >= seconds * 1000) continue;
      free.set(target, begin + ms + 500);
      plan.push({ at: begin, target, kind, ms });
    }
  }
  return plan.sort((a, b) => a.at - b.at);
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
