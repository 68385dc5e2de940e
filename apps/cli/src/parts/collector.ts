import { join } from 'node:path';
import { createCollector } from '@perfleet/collector';
import type { NodeStateStore } from '@perfleet/node-state';
import { samplerBinaryPath } from '@perfleet/sampler';
import { doctorServices } from '../doctor-services.ts';
import { makePodNames } from '../pod-names.ts';
import { serviceLogger } from '../service-logger.ts';
import { sendingEnd } from '../uploads/sending-end.ts';
import type { PublishingPorts } from './ports.ts';

export function makeCollector(
  { settings, stream }: PublishingPorts,
  nodeState: NodeStateStore,
  { sharedProcess = false } = {},
) {
  const logger = serviceLogger(settings, 'collector');
  const uploads = sendingEnd(settings);
  return createCollector({
    stream,
    nodeState,
    topicPrefix: settings.topicPrefix,
    node: settings.node,
    cluster: settings.cluster,
    rateHz: settings.rateHz,
    windowSeconds: settings.windowSeconds,
    dataDir: join(settings.dataDir, 'collector'),
    samplerBinary: samplerBinaryPath(settings.samplerBinary),
    rung: settings.rung,
    offCpu: settings.offCpu,
    kubernetes: settings.kubernetes,
    podNames: makePodNames(settings, process.env, logger),
    doctor: doctorServices(settings),
    sharedProcess,
    ...(uploads ? { uploads } : {}),
    logger,
  });
}
