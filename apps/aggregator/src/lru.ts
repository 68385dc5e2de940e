import { IdTable } from '@perfleet/ids';
import type { Id64 } from './rows.ts';

/**
 * Ids already written, at least the most recent `limit / 2` of them and at most `limit`. Forgetting one costs a repeated,
 * idempotent row. Two generations: when the young one is full the old one goes.
 */
export class RecentIds {
  private young = new Generation();
  private old = new Generation();

  constructor(private readonly limit: number) {}

  /** @param day what was written is written again on another day */
  has({ low, high }: Omit<Id64, 'id'>, day = 0): boolean {
    return this.young.has(low, high, day) || this.old.has(low, high, day);
  }

  add({ low, high }: Omit<Id64, 'id'>, day = 0): void {
    if (this.young.size >= this.limit / 2) {
      this.old = this.young;
      this.young = new Generation();
    }
    this.young.add(low, high, day);
  }

  get size(): number {
    return this.young.size + this.old.size;
  }
}

class Generation {
  private readonly ids = new IdTable();
  private readonly days: number[] = [];

  get size(): number {
    return this.ids.length;
  }

  has(low: number, high: number, day: number): boolean {
    const at = this.ids.find(low, high);
    return at >= 0 && this.days[at] === day;
  }

  add(low: number, high: number, day: number): void {
    this.days[this.ids.add(low, high)] = day;
  }
}
