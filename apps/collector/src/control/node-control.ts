import type { NodeSettings } from '@perfleet/fleet-config';
import type { NodeEvent, NodeState } from '@perfleet/messages';
import type { ConfigStore } from '@perfleet/node-state';
import type { Logger } from '@perfleet/observability';
import type { SamplerHello, SamplerSettings, SamplerStats, WantedRung } from '@perfleet/sampler';
import { ConfigKeeper } from './config-keeper.ts';
import { CostMeter, processCost } from './cost-meter.ts';
import { CALM, govern, ladderOf, retarget, usageText, type GovernorState, type Limits } from './governor.ts';
import { nodeSettings, type OwnSettings } from './node-settings.ts';
import { settingsChange } from './settings-change.ts';

export interface NodeControlOptions {
  readonly store: ConfigStore;
  readonly node: string;
  readonly cluster: string;
  readonly dataDir: string;
  readonly own: OwnSettings;
  /** Other services run in this process too: its cost is not the collector's. */
  readonly sharedProcess?: boolean;
  readonly logger: Logger;
  readonly apply: (settings: SamplerSettings) => void;
  readonly event: (kind: NodeEvent['kind'], message: string) => void;
  readonly pollMs?: number;
}

/** What of the node's state is decided here. */
export type ControlState = Pick<
  NodeState,
  | 'configVersion'
  | 'configError'
  | 'rateHz'
  | 'rateWanted'
  | 'rungWanted'
  | 'governor'
  | 'governorReason'
  | 'cpuPercent'
  | 'memoryMib'
>;

/** A judgement covers at least so many windows: the sampler tells its cost once in each. */
const LEAST_WINDOWS = 3;
/** How long the start waits for the store before the sampler runs with what is known. */
const FIRST_LOOK_MS = 1000;

/** What the sampler is told to do: the fleet's configuration for this node, less what the governor takes away. */
export class NodeControl {
  settings: NodeSettings;
  private readonly keeper: ConfigKeeper;
  private readonly meter: CostMeter;
  private readonly now = () => performance.now();
  private governor: GovernorState = CALM;
  /** Why it is lowered, and why that is not enough. */
  private reason = '';
  private exhausted = '';
  /** The rung of the last run that the governor did not lower. */
  private bestRung = 1;
  private lowestUsable = 4;

  constructor(private readonly options: NodeControlOptions) {
    const { store, dataDir, logger, pollMs, sharedProcess } = options;
    this.settings = this.resolve();
    this.meter = new CostMeter(this.now, sharedProcess ? null : processCost);
    this.keeper = new ConfigKeeper({
      ...{ store, dataDir, logger, everyMs: pollMs },
      onChange: (_, from) => this.onDocument(from === 'store'),
      onRefused: (message) => options.event('config-refused', message),
    });
  }

  /** Resolves soon, with the best settings that are known. */
  async start(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, FIRST_LOOK_MS)));
    await Promise.race([this.keeper.start(), late]);
    clearTimeout(timer);
    const { rateHz, windowSeconds, rung, offCpu } = this.settings;
    const version = this.keeper.known?.revision.version ?? 0;
    this.options.logger.info({ version, rateHz, windowSeconds, rung, offCpu }, 'configuration');
  }

  stop(): void {
    this.keeper.stop();
  }

  get windowMs(): number {
    return this.settings.windowSeconds * 1000;
  }

  /** What the sampler should do now. */
  get sampler(): SamplerSettings {
    const { rung, windowSeconds, offCpu } = this.settings;
    const ladder = this.ladder;
    const step = ladder[this.governor.step] ?? ladder.at(-1)!;
    const lowered = step.rung > this.bestRung;
    return {
      rateHz: step.rateHz,
      windowSeconds,
      offCpu,
      rung: lowered ? (step.rung as WantedRung) : rung,
      rungReason: lowered ? `lowered by the governor: ${this.reason}` : '',
    };
  }

  onHello({ rung }: SamplerHello): void {
    this.meter.samplerBegan();
    const lowered = this.ladder[this.governor.step]?.rung ?? 0;
    if (lowered <= this.bestRung) {
      if (rung < 4) this.bestRung = rung;
    } else if (rung === 4) {
      this.change({ ...this.governor, step: this.governor.step - 1 }, `rung ${lowered} cannot run here`);
      this.lowestUsable = lowered - 1;
    }
  }

  onStats(stats: SamplerStats): void {
    this.meter.add(stats);
    const { budget, windowSeconds } = this.settings;
    if (!this.governs) return;
    // Half a window less: a window that ends a moment early must not cost another one.
    const ms = Math.max(budget.windowSeconds, LEAST_WINDOWS * windowSeconds) * 1000 - windowSeconds * 500;
    const usage = this.meter.over(ms);
    if (!usage) return;
    const over = this.governor.over;
    const { state, reason } = govern(this.governor, this.limits, usage, this.now());
    if (reason !== '') return this.change(state, reason);
    this.governor = state;
    if (state.over && !over) this.sayExhausted(usageText(usage));
  }

  state(): ControlState {
    const { rateHz, rung } = this.settings;
    const usage = this.meter.latest();
    return {
      configVersion: this.keeper.known?.revision.version ?? 0,
      configError: this.keeper.error.slice(0, 1000),
      rateHz: this.sampler.rateHz,
      rateWanted: rateHz,
      rungWanted: rung === 'auto' ? 1 : rung,
      governor: this.mood,
      governorReason: (this.mood === 'exhausted' ? this.exhausted : this.reason).slice(0, 500),
      cpuPercent: Number(usage.cpuPercent.toPrecision(4)),
      memoryMib: Math.round(usage.memoryMib),
    };
  }

  private get mood(): NodeState['governor'] {
    if (!this.governs) return 'off';
    const { step, over } = this.governor;
    if (over && step >= this.ladder.length - 1) return 'exhausted';
    return step > 0 ? 'lowered' : 'ok';
  }

  private get governs(): boolean {
    const { cpuPercent, memoryMib } = this.settings.budget;
    return cpuPercent !== null || memoryMib !== null;
  }

  private get limits(): Limits {
    const { budget, rateHz } = this.settings;
    return { budget, rateHz, rung: this.bestRung, lowestUsable: this.lowestUsable };
  }

  private get ladder() {
    return ladderOf(this.limits);
  }

  private onDocument(tell: boolean): void {
    const { event, logger, apply } = this.options;
    const before = this.settings;
    const limits = this.limits;
    this.settings = this.resolve();
    const changes = settingsChange(before, this.settings);
    const version = this.keeper.known?.revision.version;
    if (changes.length === 0) return;
    const rungChanged = before.rung !== this.settings.rung;
    if (rungChanged) {
      // What the machine can is asked again.
      this.bestRung = this.settings.rung === 'auto' ? 1 : this.settings.rung;
      this.lowestUsable = 4;
    }
    this.governor = this.governs ? retarget(this.governor, limits, this.limits) : CALM;
    if (this.governor.step === 0) this.reason = '';
    this.meter.begin();
    apply(this.sampler);
    const message = `configuration version ${version}: ${changes.join(', ')}`;
    logger.info(message);
    if (tell) event('config-changed', message);
  }

  private change(state: GovernorState, why: string): void {
    const { event, logger, apply } = this.options;
    const ladder = this.ladder;
    const [from, to] = [ladder[this.governor.step] ?? ladder.at(-1)!, ladder[state.step] ?? ladder.at(-1)!];
    const up = state.step < this.governor.step;
    this.governor = state;
    this.reason = state.step === 0 ? '' : up ? `${why}; still below what is configured` : why;
    this.meter.begin();
    const what = [
      from.rateHz === to.rateHz ? '' : `rate ${from.rateHz} Hz -> ${to.rateHz} Hz`,
      from.rung === to.rung ? '' : `rung ${from.rung} -> ${to.rung}`,
    ];
    const message = `governor: ${what.filter(Boolean).join(', ')}: ${why}`;
    if (up) logger.info(message);
    else logger.warn(message);
    apply(this.sampler);
    event('governor-changed', message);
  }

  private sayExhausted(usage: string): void {
    const { event, logger } = this.options;
    if (this.mood !== 'exhausted') return;
    const { cpuPercent, memoryMib } = this.settings.budget;
    const limits = [cpuPercent === null ? '' : `${cpuPercent} %`, memoryMib === null ? '' : `${memoryMib} MiB`];
    const budget = limits.filter(Boolean).join(' and ');
    this.exhausted = `over the budget (${budget}) with nothing left to lower: ${usage}`;
    const message = `governor: ${this.exhausted}; raise the budget, or allow a lower rate or rung`;
    logger.warn(message);
    event('governor-changed', message);
  }

  private resolve(): NodeSettings {
    return nodeSettings(this.keeper?.known?.document ?? null, this.options);
  }
}
