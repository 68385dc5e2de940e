import type { DoctorOptions } from '@perfleet/doctor';
import type { Settings } from './settings.ts';

/** The services that are configured: only those are checked. */
export function doctorServices(settings: Settings): Pick<DoctorOptions, 'broker' | 'redis' | 'clickhouse'> {
  return {
    ...(settings.kafkaBrokers.length > 0 && { broker: settings.kafkaBrokers.join(',') }),
    ...(settings.redisUrl && { redis: settings.redisUrl }),
    ...(settings.clickhouseUrl && { clickhouse: settings.clickhouseUrl }),
  };
}
