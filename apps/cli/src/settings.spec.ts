import { describe, expect, it } from 'vitest';
import { loadSettings } from './settings.ts';

const message = (env: Record<string, string>) => {
  try {
    loadSettings({}, env);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('loadSettings', () => {
  it('has defaults that need nothing set', () => {
    expect(loadSettings({}, {})).toMatchObject({ kafkaBrokers: [], kafkaTls: false, httpPort: 4700 });
    expect(loadSettings({}, {}).kafkaReplication).toBeUndefined();
    expect(loadSettings({ data: '/x' }, { PERFLEET_DATA_DIR: '/y' }).dataDir).toBe('/x');
  });

  it('lists what SASL lacks together with other errors', () => {
    const text = message({ PERFLEET_KAFKA_SASL_MECHANISM: 'plain', PERFLEET_RATE_HZ: 'fast', PERFLEET_RUNG: '7' });
    for (const name of ['KAFKA_SASL_USER', 'KAFKA_SASL_PASSWORD', 'RATE_HZ', 'RUNG'])
      expect(text).toContain(`\n  PERFLEET_${name}`);
    expect(message({ PERFLEET_KAFKA_SASL_USER: 'me', PERFLEET_KAFKA_SASL_PASSWORD: 'secret' })).toMatch(
      /^bad configuration:\n {2}PERFLEET_KAFKA_SASL_MECHANISM: needed by/,
    );
  });
});
