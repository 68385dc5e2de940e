import { z } from 'zod';

/** What the alert store is made of. */
export const ALERT_ITEMS = ['record', 'acknowledgement', 'silence', 'history'] as const;
export type AlertItem = (typeof ALERT_ITEMS)[number];

/**
 * Value on `perfleet.alerts`: one item of the alert store as it is now, or that it is there no longer. The last word on an
 * item counts; saying the same again changes nothing. Only the api writes this topic: a collector's credentials must not.
 */
export const alertChangeSchema = z.object({
  item: z.enum(ALERT_ITEMS),
  /** Of the alert, the silence, or a hash of the entry of the history. */
  id: z.string().min(1).max(128),
  removed: z.boolean().default(false),
  /** JSON of the item (libs/node-state/src/alert-store.ts); "" when it is removed. */
  body: z.string().max(32_000),
});
export type AlertChange = z.infer<typeof alertChangeSchema>;

/** All changes have one key: their order is the order in which they were made. */
export const ALERT_CHANGES_KEY = 'alerts';
