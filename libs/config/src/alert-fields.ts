import { z } from 'zod';

const minutes = (byDefault: number) => z.coerce.number().min(0).max(10_080).default(byDefault);
const percent = (byDefault: number) => z.coerce.number().min(0).max(100).default(byDefault);

/** When the api raises an alert about a node, and whom it tells. Minutes say for how long a condition must hold. */
export const alertFields = {
  /** Comma-separated http(s) URLs that get Alertmanager's webhook format. */
  alertWebhooks: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((url) => url.trim())
        .filter(Boolean),
    )
    .refine(
      (urls) => urls.every((url) => /^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')),
      'must be http:// or https:// URLs, separated by commas',
    ),
  /** Address of the page in notifications; empty = none. */
  alertExternalUrl: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]).default(''),
  alertFallbackMinutes: minutes(5),
  alertSilentMinutes: minutes(2),
  /** A rung other than 1, or than the one that the node is configured to. */
  alertRungMinutes: minutes(5),
  /** Two live epochs of one node; longer than the heartbeat of a killed collector outlives it. */
  alertEpochsMinutes: minutes(2),
  /** Declared kubelet settings that the layout contradicts. */
  alertKubeletMinutes: minutes(15),
  /** So many crashes within `alertCrashMinutes` are a crash loop. */
  alertCrashes: z.coerce.number().int().min(1).max(10_000).default(3),
  alertCrashMinutes: minutes(15),
  alertLossPercent: percent(5),
  /** Samples that belong to no pod, no container and not to the host. */
  alertUnattributedPercent: percent(20),
  /** For how long losses and unattributed shares must stay above. */
  alertShareMinutes: minutes(10),
  /** A firing alert is told again after so many minutes, unless it is acknowledged. */
  alertRepeatMinutes: minutes(240),
};
