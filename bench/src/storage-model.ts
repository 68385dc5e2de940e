/** How stacks of one program recur: the `stacks` most frequent have weights 1 / rank^exponent, others do not occur. */
export interface Recurrence {
  readonly stacks: number;
  readonly exponent: number;
}

/** Distinct stacks among the first `samples` of a program. */
export interface CurvePoint {
  readonly samples: number;
  readonly distinct: number;
}

/** Distinct stacks to expect of `samples` draws: the sum of 1 - (1 - p)^samples over all stacks. */
export function expectedDistinct({ stacks, exponent }: Recurrence, samples: number): number {
  let sum = 0;
  // Neighbouring ranks far out are alike: one stands for its whole stretch, which grows with the rank.
  const each = (visit: (weight: number, ranks: number) => void) => {
    for (let rank = 1; rank <= stacks;) {
      const ranks = Math.min(stacks - rank + 1, Math.max(1, Math.floor(rank / 200)));
      visit((rank + (ranks - 1) / 2) ** -exponent, ranks);
      rank += ranks;
    }
  };
  each((weight, ranks) => (sum += weight * ranks));
  let distinct = 0;
  each((weight, ranks) => (distinct += ranks * -Math.expm1(samples * Math.log1p(-Math.min(weight / sum, 1 - 1e-12)))));
  return distinct;
}

/** The recurrence whose curve comes nearest to what was recorded, by the sum of squared logarithms of the ratios. */
export function fitRecurrence(curve: readonly CurvePoint[]): Recurrence {
  let best = { error: Infinity, stacks: 0, exponent: 0 };
  for (const stacks of [1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6])
    for (let exponent = 0.3; exponent <= 1.6; exponent += 0.05) {
      const of = { stacks, exponent: Number(exponent.toFixed(2)) };
      const error = curve.reduce(
        (all, { samples, distinct }) => all + Math.log(expectedDistinct(of, samples) / distinct) ** 2,
        0,
      );
      if (error < best.error) best = { error, ...of };
    }
  return { stacks: best.stacks, exponent: best.exponent };
}

/** A fleet as it is thought to be; what of it nobody measured stands in docs/sizing.md. */
export interface FleetModel {
  readonly nodes: number;
  readonly podsPerNode: number;
  readonly services: number;
  /** Samples of a pod in a second. */
  readonly samplesPerPod: number;
  /** Rows that a sample makes: equal stacks of a pod in a window are one row. */
  readonly rowsPerSample: number;
  /** A deployment replaces the binary and all pods of a service. */
  readonly deploymentsPerDay: number;
  readonly recurrence: Recurrence;
}

/** Bytes on disk of a row of each table, merged. */
export interface RowBytes {
  readonly samples: number;
  readonly samples_10m: number;
  readonly samples_1d: number;
  readonly stacks: number;
  readonly frames: number;
  readonly series: number;
}

export interface Part {
  readonly table: keyof RowBytes;
  readonly rows: number;
  readonly bytes: number;
}

const DAY = 86_400;
/** What is seen is written again in each term of 30 days; a month is one. */
const DAYS = 30;

/** Rows and bytes of a month of a fleet whose services are alike. `framesPerStack`: new frames that a new stack brings. */
export function monthOf(fleet: FleetModel, bytes: RowBytes, framesPerStack: number): Part[] {
  const { services, recurrence, deploymentsPerDay } = fleet;
  const pods = fleet.nodes * fleet.podsPerNode;
  const samplesOf = (seconds: number) => (pods / services) * fleet.samplesPerPod * seconds;
  const generations = Math.max(1, deploymentsPerDay * DAYS);
  const inMonth = services * generations * expectedDistinct(recurrence, samplesOf((DAYS * DAY) / generations));
  const rows = {
    samples: pods * fleet.samplesPerPod * DAYS * DAY * fleet.rowsPerSample,
    samples_10m: services * expectedDistinct(recurrence, samplesOf(600)) * ((DAYS * DAY) / 600),
    // A day with a deployment in it has stacks of both builds.
    samples_1d:
      services *
      DAYS *
      (1 + deploymentsPerDay) *
      expectedDistinct(recurrence, samplesOf(DAY / (1 + deploymentsPerDay))),
    stacks: inMonth,
    frames: inMonth * framesPerStack,
    series: pods * (1 + deploymentsPerDay * DAYS),
  };
  return (Object.keys(rows) as (keyof RowBytes)[]).map((table) => ({
    table,
    rows: rows[table],
    bytes: rows[table] * bytes[table],
  }));
}
