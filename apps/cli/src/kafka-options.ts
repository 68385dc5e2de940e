import { readFileSync } from 'node:fs';
import { ConfigError } from '@perfleet/config';
import type { Logger } from '@perfleet/observability';
import type { KafkaStreamOptions } from '@perfleet/stream';
import type { Settings } from './settings.ts';

/** The settings of Kafka as its adapter takes them. @throws ConfigError when the authority's file cannot be read */
export function kafkaOptions(settings: Settings, logger: Logger): KafkaStreamOptions {
  const { kafkaSaslMechanism: mechanism, kafkaSaslUser: username, kafkaSaslPassword: password } = settings;
  return {
    brokers: settings.kafkaBrokers,
    clientId: settings.kafkaClientId,
    replication: settings.kafkaReplication,
    ssl: settings.kafkaCaFile ? { ca: [readCa(settings.kafkaCaFile)] } : settings.kafkaTls,
    ...(mechanism ? { sasl: { mechanism, username, password } as KafkaStreamOptions['sasl'] } : {}),
    logger,
  };
}

function readCa(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`bad configuration:\n  PERFLEET_KAFKA_CA_FILE=${path}: cannot be read (${cause})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new ConfigError(`bad configuration:\n  PERFLEET_KAFKA_CA_FILE=${path}: holds no certificate in PEM form`);
  return text;
}
