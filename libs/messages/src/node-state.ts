import { z } from 'zod';

export const DISCOVERY_MODES = ['pods', 'containers-only', 'whole-system'] as const;
export type DiscoveryMode = (typeof DISCOVERY_MODES)[number];

/** Sampler ladder: 1 eBPF, 2 perf_event system-wide, 3 perf_event on what the user may see, 4 none. */
export type Rung = 1 | 2 | 3 | 4;

export const GOVERNOR_MOODS = ['off', 'ok', 'lowered', 'exhausted'] as const;

/** What a node says of itself; kept in the registry and shown on the page. Times are Unix milliseconds. */
export const nodeStateSchema = z.object({
  node: z.string().min(1).max(253),
  cluster: z.string().max(253).default(''),
  epoch: z.string().max(16),
  startedAt: z.number(),
  updatedAt: z.number(),
  version: z.string().max(64).default(''),
  mode: z.enum(DISCOVERY_MODES),
  fallback: z.boolean(),
  modeReason: z.string().max(2000),
  /** Paths inside the cgroup hierarchies that hold pods. */
  podRoots: z.array(z.string().max(1000)).max(32).default([]),
  /** What the kubelet declares and the cgroup layout contradicts, each in a few words. */
  kubeletMismatches: z.array(z.string().max(300)).max(8).default([]),
  rung: z.number().int().min(1).max(4),
  rungReason: z.string().max(2000),
  /** The best rung that the configuration allows; 1 = whatever the machine can. */
  rungWanted: z.number().int().min(1).max(4).default(1),
  kernel: z.string().max(200).default(''),
  cgroupVersion: z.enum(['v1', 'v2', 'hybrid', 'none']).default('none'),
  cpus: z.number().int().default(0),
  /** In effect: what is configured, less what the governor takes away. */
  rateHz: z.number(),
  /** As configured; 0 = not said. */
  rateWanted: z.number().default(0),
  /** Version of the fleet's configuration in force here; 0 = none, only the collector's own settings. */
  configVersion: z.number().int().default(0),
  /** Why that is not the one in the store; "" when it is. */
  configError: z.string().max(1000).default(''),
  /** off: no budget; ok: as configured; lowered: less than configured; exhausted: over budget with nothing left to lower. */
  governor: z.enum(GOVERNOR_MOODS).default('off'),
  governorReason: z.string().max(500).default(''),
  /** Cost of collector and sampler over the governor's last window: percent of one core, and resident memory. */
  cpuPercent: z.number().default(0),
  memoryMib: z.number().default(0),
  restarts: z.number().int().default(0),
  lastExit: z.string().max(500).default(''),
  taken: z.number().default(0),
  published: z.number().default(0),
  lost: z.record(z.string(), z.number()).default({}),
  clockSkewMs: z.number().default(0),
  /** Binaries on their way to the symbolizer, counts since the collector's start; absent when none are sent. */
  uploads: z
    .object({
      sent: z.number(),
      /** Compressed. */
      sentBytes: z.number(),
      /** That the symbolizer had already. */
      had: z.number(),
      refused: z.number(),
      /** That could not be read, or had no room. */
      dropped: z.number(),
      queued: z.number(),
      queuedBytes: z.number(),
      /** The symbolizer does not answer, or not to this node. */
      away: z.boolean(),
      /** "" = nothing went wrong. */
      lastError: z.string().max(500),
    })
    .optional(),
});
export type NodeState = z.infer<typeof nodeStateSchema>;

/** Value on `perfleet.events`, keyed by node. */
export const nodeEventSchema = z.object({
  time: z.number(),
  node: z.string().min(1).max(253),
  cluster: z.string().max(253).default(''),
  epoch: z.string().max(16),
  kind: z.enum([
    'started',
    'stopped',
    'mode-changed',
    'rung-changed',
    'sampler-crashed',
    'unclean-exit',
    'rate-changed',
    'config-changed',
    'config-refused',
    'governor-changed',
  ]),
  message: z.string().max(4000),
  state: nodeStateSchema.optional(),
});
export type NodeEvent = z.infer<typeof nodeEventSchema>;
