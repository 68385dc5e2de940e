/** What a store must hold at the end: samples by service, and by service and stack. */
export class Totals {
  samples = 0;
  readonly byService = new Map<string, number>();
  private readonly byStack = new Map<string, Map<bigint, number>>();

  add(service: string, stack: bigint, count: number): void {
    this.samples += count;
    this.byService.set(service, (this.byService.get(service) ?? 0) + count);
    let stacks = this.byStack.get(service);
    if (!stacks) this.byStack.set(service, (stacks = new Map()));
    stacks.set(stack, (stacks.get(stack) ?? 0) + count);
  }

  stacks(service: string): ReadonlyMap<bigint, number> {
    return this.byStack.get(service) ?? new Map<bigint, number>();
  }

  toJSON(): object {
    const stacks = [...this.byStack].map(
      ([service, counts]) => [service, Object.fromEntries([...counts].map(([id, n]) => [String(id), n]))] as const,
    );
    return { samples: this.samples, services: Object.fromEntries(this.byService), stacks: Object.fromEntries(stacks) };
  }
}
