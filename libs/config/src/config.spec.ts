import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, fields, loadConfig, variableName } from './config.ts';

const { httpPort, redisUrl, kafkaBrokers, kafkaTls } = fields;
const schema = z.object({ httpPort, redisUrl, kafkaBrokers, kafkaTls });

describe('loadConfig', () => {
  it('names variables after keys', () => expect(variableName('httpPort')).toBe('PERFLEET_HTTP_PORT'));

  it('takes a flag before its variable, and the variable before the default', () => {
    expect(loadConfig(schema, {}).httpPort).toBe(4700);
    expect(loadConfig(schema, { PERFLEET_HTTP_PORT: '1' }).httpPort).toBe(1);
    expect(loadConfig(schema, { PERFLEET_HTTP_PORT: '1' }, { httpPort: '2' }).httpPort).toBe(2);
  });

  it('takes no variable of Kubernetes for a setting', () => {
    const link = { PERFLEET_HTTP_PORT: 'tcp://10.0.0.7:80', PERFLEET_CLICKHOUSE_PORT: 'udp://10.0.0.7:80' };
    expect(loadConfig(z.object({ httpPort: fields.httpPort, clickhousePort: fields.clickhousePort }), link)).toEqual({
      httpPort: 4700,
      clickhousePort: null,
    });
    expect(() => loadConfig(z.object({ httpPort: fields.httpPort }), { PERFLEET_HTTP_PORT: 'x://1' })).toThrow(/x:/);
  });

  it('splits lists', () => {
    expect(loadConfig(schema, { PERFLEET_KAFKA_BROKERS: 'a:1, b:2,' }).kafkaBrokers).toEqual(['a:1', 'b:2']);
  });

  it('takes addresses of debuginfod servers as other tools write them, and only addresses', () => {
    const urls = (value: string) =>
      loadConfig(z.object({ debuginfodUrls: fields.debuginfodUrls }), { PERFLEET_DEBUGINFOD_URLS: value })
        .debuginfodUrls;
    expect(urls('')).toEqual([]);
    expect(urls('https://a.example/ http://b.example:8002')).toEqual(['https://a.example/', 'http://b.example:8002']);
    expect(() => urls('https://a.example file:///etc')).toThrow(/PERFLEET_DEBUGINFOD_URLS=.*http/);
  });

  it('lists every error at once with its variable', () => {
    const bad = () => loadConfig(schema, { PERFLEET_HTTP_PORT: '99999', PERFLEET_REDIS_URL: 'localhost' });
    expect(bad).toThrow(ConfigError);
    expect(bad).toThrow(/PERFLEET_HTTP_PORT=99999[\s\S]*PERFLEET_REDIS_URL=localhost: .*redis:\/\//);
  });

  it('refuses brokers that are no host:port', () => {
    expect(loadConfig(schema, { PERFLEET_KAFKA_BROKERS: '[::1]:9092,kafka.svc:9093' }).kafkaBrokers).toHaveLength(2);
    for (const brokers of ['kafka', 'http://kafka:9092', 'a:1,b'])
      expect(() => loadConfig(schema, { PERFLEET_KAFKA_BROKERS: brokers })).toThrow(
        /KAFKA_BROKERS=.*must be host:port/,
      );
  });

  it('reads switches', () => {
    for (const on of ['1', 'true', 'yes']) expect(loadConfig(schema, { PERFLEET_KAFKA_TLS: on }).kafkaTls).toBe(true);
    expect(loadConfig(schema, { PERFLEET_KAFKA_TLS: '1' }, { kafkaTls: false }).kafkaTls).toBe(false);
    expect(() => loadConfig(schema, { PERFLEET_KAFKA_TLS: 'maybe' })).toThrow(/must be true or false/);
  });

  it('repeats no password', () => {
    const bad = () => loadConfig(schema, { PERFLEET_REDIS_URL: 'http://user:secret@redis:6379' });
    expect(bad).toThrow(/PERFLEET_REDIS_URL=http:\/\/user:…@redis:6379/);
  });
});
