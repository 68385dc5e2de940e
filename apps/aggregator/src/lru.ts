/** Ids already written, the most recent `limit` of them. Forgetting one costs a repeated, idempotent row. */
export class RecentIds {
  private readonly ids = new Map<bigint, number>();

  constructor(private readonly limit: number) {}

  /** @param day what was written is written again on another day */
  has(id: bigint, day = 0): boolean {
    return this.ids.get(id) === day;
  }

  add(id: bigint, day = 0): void {
    this.ids.delete(id);
    this.ids.set(id, day);
    if (this.ids.size > this.limit) {
      for (const oldest of this.ids.keys()) {
        this.ids.delete(oldest);
        break;
      }
    }
  }

  get size(): number {
    return this.ids.size;
  }
}
