import type { Logger } from '@perfleet/observability';
import { Counter, type Registry } from 'prom-client';
import type { Origins, TlsIdentity } from '@perfleet/http-guard';
import type { Access } from '../access/access-guard.ts';
import { IngestService, type IngestOptions } from './ingest-service.ts';
import { openOtlpGrpc, openOtlpHttp, type OtlpServer } from './otlp-servers.ts';

export interface IngestSettings extends Omit<IngestOptions, 'observe'> {
  readonly otlpHost: string;
  /** null = off, 0 = any free port. */
  readonly otlpGrpcPort: number | null;
  readonly otlpHttpPort: number | null;
  /** For a request over HTTP to arrive whole; `ARRIVAL_MS` when absent. */
  readonly arrivalMs?: number;
}

export interface Ingest {
  readonly service: IngestService;
  /** null where OTLP is off, or its port was taken. */
  readonly grpcPort: number | null;
  readonly httpPort: number | null;
  close(): Promise<void>;
}

/**
 * What receives other agents' profiles. A port of OTLP that cannot be had (a collector of OpenTelemetry may hold it) is said
 * in the log and ends nothing: the same profiles are taken on the API's own port.
 */
export async function startIngest(
  settings: IngestSettings,
  origins: Origins,
  access: Access,
  logger: Logger,
  registry: Registry,
  tls: TlsIdentity | null = null,
): Promise<Ingest> {
  const service = new IngestService({ ...settings, observe: counters(registry) });
  const open = async (
    name: string,
    flag: string,
    port: number | null,
    start: (port: number) => Promise<OtlpServer>,
  ) => {
    if (port === null) return null;
    try {
      const server = await start(port);
      logger.info({ host: settings.otlpHost, port: server.port }, `receiving ${name}`);
      return server;
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      logger.warn({ host: settings.otlpHost, port, error }, `${name} is off: choose another port with ${flag}, or off`);
      return null;
    }
  };
  const { otlpHost, otlpGrpcPort, otlpHttpPort, arrivalMs } = settings;
  const own = { ...origins, host: otlpHost };
  const grpc = await open('OTLP over gRPC', '--otlp-grpc-port', otlpGrpcPort, (port) =>
    openOtlpGrpc(service, otlpHost, port, access, logger, tls),
  );
  const http = await open('OTLP over HTTP', '--otlp-http-port', otlpHttpPort, (port) =>
    openOtlpHttp(service, otlpHost, port, own, access, logger, tls, arrivalMs),
  );
  return {
    service,
    grpcPort: grpc?.port ?? null,
    httpPort: http?.port ?? null,
    async close() {
      await Promise.all([grpc?.close(), http?.close()]);
      await service.close();
    },
  };
}

function counters(registry: Registry): NonNullable<IngestOptions['observe']> {
  const registers = [registry];
  const requests = new Counter({
    name: 'perfleet_ingest_requests_total',
    help: 'Requests of other agents by what became of them: ok, refused (the sender is to blame), failed',
    labelNames: ['protocol', 'outcome'],
    registers,
  });
  const samples = new Counter({
    name: 'perfleet_ingest_samples_total',
    help: 'Samples of other agents that were published',
    labelNames: ['protocol'],
    registers,
  });
  return (protocol, outcome, count) => {
    requests.inc({ protocol, outcome });
    samples.inc({ protocol }, count);
  };
}
