import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { fields, loadConfig } from '@perfleet/config';
import { z } from 'zod';

const schema = z.object({
  ...fields,
  dataDir: fields.dataDir.default(join(homedir(), '.local', 'share', 'perfleet')),
  node: fields.node.default(hostname()).transform((name) => name || hostname()),
});

/** Settings of every service command; each flag has its variable (`--http-port`, `PERFLEET_HTTP_PORT`). */
export const settingsSchema = schema.superRefine(checkSasl, { when: () => true });
export type Settings = z.infer<typeof schema>;

/** `data` is the flag's short name for `dataDir`. @throws ConfigError that lists everything that is wrong */
export function loadSettings(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Settings {
  const { data, ...rest } = flags;
  return loadConfig(settingsSchema, env, { ...rest, ...(data === undefined ? {} : { dataDir: data }) });
}

type Sasl = Pick<Settings, 'kafkaSaslMechanism' | 'kafkaSaslUser' | 'kafkaSaslPassword'>;

/** A user without a mechanism would be ignored by the client and refused by the broker with a riddle. */
function checkSasl(settings: Partial<Sasl>, context: z.RefinementCtx): void {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUser: user, kafkaSaslPassword: password } = settings;
  const issue = (path: keyof Sasl, message: string) => context.addIssue({ code: 'custom', path: [path], message });
  if (mechanism && !user) issue('kafkaSaslUser', `needed by PERFLEET_KAFKA_SASL_MECHANISM=${mechanism}`);
  if (mechanism && !password) issue('kafkaSaslPassword', `needed by PERFLEET_KAFKA_SASL_MECHANISM=${mechanism}`);
  if (!mechanism && (user || password))
    issue('kafkaSaslMechanism', 'needed by the SASL user and password; plain, scram-sha-256 or scram-sha-512');
}
