import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { fields, loadConfig } from '@perfleet/config';
import { z } from 'zod';

/** Settings of every service command; each flag has its variable (`--http-port`, `PERFLEET_HTTP_PORT`). */
export const settingsSchema = z.object({
  ...fields,
  dataDir: fields.dataDir.default(join(homedir(), '.local', 'share', 'perfleet')),
  node: fields.node.default(hostname()).transform((name) => name || hostname()),
});
export type Settings = z.infer<typeof settingsSchema>;

/** `data` is the flag's short name for `dataDir`. */
export function loadSettings(flags: Readonly<Record<string, unknown>>): Settings {
  const { data, ...rest } = flags;
  return loadConfig(settingsSchema, process.env, { ...rest, ...(data === undefined ? {} : { dataDir: data }) });
}
