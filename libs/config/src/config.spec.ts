import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, fields, loadConfig, variableName } from './config.ts';

const schema = z.object({ httpPort: fields.httpPort, redisUrl: fields.redisUrl, kafkaBrokers: fields.kafkaBrokers });

describe('loadConfig', () => {
  it('names variables after keys', () => expect(variableName('httpPort')).toBe('PERFLEET_HTTP_PORT'));

  it('takes a flag before its variable, and the variable before the default', () => {
    expect(loadConfig(schema, {}).httpPort).toBe(4700);
    expect(loadConfig(schema, { PERFLEET_HTTP_PORT: '1' }).httpPort).toBe(1);
    expect(loadConfig(schema, { PERFLEET_HTTP_PORT: '1' }, { httpPort: '2' }).httpPort).toBe(2);
  });

  it('splits lists', () => {
    expect(loadConfig(schema, { PERFLEET_KAFKA_BROKERS: 'a:1, b:2,' }).kafkaBrokers).toEqual(['a:1', 'b:2']);
  });

  it('lists every error at once with its variable', () => {
    const bad = () => loadConfig(schema, { PERFLEET_HTTP_PORT: '99999', PERFLEET_REDIS_URL: 'localhost' });
    expect(bad).toThrow(ConfigError);
    expect(bad).toThrow(/PERFLEET_HTTP_PORT=99999[\s\S]*PERFLEET_REDIS_URL=localhost: .*redis:\/\//);
  });
});
