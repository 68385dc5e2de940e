import type { Stream } from '@perfleet/stream';
import type { Settings } from '../settings.ts';

/** What every service is put together from, over whatever adapters the caller opened: the same for one machine and for many. */
export interface Ports {
  readonly settings: Settings;
  readonly stream: Stream;
}

/** Of a service that writes to the stream and reads nothing. */
export interface PublishingPorts {
  readonly settings: Settings;
  readonly stream: Pick<Stream, 'producer'>;
}
