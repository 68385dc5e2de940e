import { createCollector } from '@perfleet/collector';
import type { NodeStateStore } from '@perfleet/node-state';
import type { StartedSampler } from '@perfleet/sampler';
import { doctorServices } from '../doctor-services.ts';
import { makePodNames } from '../pod-names.ts';
import { serviceLogger } from '../service-logger.ts';
import { samplerDeps } from '../sampler-deps.ts';
import { sendingEnd } from '../uploads/sending-end.ts';
import type { PublishingPorts } from './ports.ts';

export function makeCollector(
  { settings, stream }: PublishingPorts,
  nodeState: NodeStateStore,
  {
    sharedProcess = false,
    startedSampler,
  }: { sharedProcess?: boolean; startedSampler?: StartedSampler | undefined } = {},
) {
  const logger = serviceLogger(settings, 'collector');
  const uploads = sendingEnd(settings);
  return createCollector({
    stream,
    nodeState,
    topicPrefix: settings.topicPrefix,
    ...samplerDeps(settings),
    startedSampler,
    kubernetes: settings.kubernetes,
    podNames: makePodNames(settings, process.env, logger),
    doctor: doctorServices(settings),
    sharedProcess,
    spoolBytes: settings.spoolMb * 2 ** 20,
    spoolAgeMs: settings.spoolHours * 3_600_000,
    ...(uploads ? { uploads } : {}),
    logger,
  });
}
