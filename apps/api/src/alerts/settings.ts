import { alertFields } from '@perfleet/config';
import { z } from 'zod';

const schema = z.object(alertFields);

/** Thresholds and receivers; `libs/config/src/alert-fields.ts` says what each means. */
export type AlertSettings = z.infer<typeof schema>;

export const DEFAULT_ALERT_SETTINGS: AlertSettings = schema.parse({});
