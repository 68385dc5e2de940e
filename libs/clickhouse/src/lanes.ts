/** Native connections to one data directory; each runs one statement at a time, in the order of asking. */
export interface Lane<S> {
  readonly session: S;
  waiting: number;
  tail: Promise<unknown>;
}

export class Lanes<S> {
  private readonly lanes: Lane<S>[];

  constructor(sessions: readonly S[]) {
    this.lanes = sessions.map((session) => ({ session, waiting: 0, tail: Promise.resolve() }));
  }

  /** Runs `work` on the lane with the fewest waiters; the lane is free again when `work` has really ended. */
  run<T>(work: (session: S) => Promise<T>): Promise<T> {
    const lane = this.lanes.reduce((best, next) => (next.waiting < best.waiting ? next : best));
    lane.waiting++;
    const result = lane.tail.then(() => work(lane.session));
    lane.tail = result.then(
      () => void lane.waiting--,
      () => void lane.waiting--,
    );
    return result;
  }

  /** Whether work is running or waiting. */
  busy(): boolean {
    return this.lanes.some((lane) => lane.waiting > 0);
  }

  async idle(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.tail));
  }

  sessions(): S[] {
    return this.lanes.map((lane) => lane.session);
  }
}
