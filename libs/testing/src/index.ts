export { requireTool, type ToolCheck } from './tools.ts';
export { startKafka, type TestKafka } from './kafka.ts';
export { freePort, tempDir, waitFor, type WaitOptions } from './helpers.ts';
export { startServerProcess, type ServerProcess } from './server-process.ts';
export { startRedis, type TestRedis } from './redis.ts';
export { collectorAccount } from './redis-account.ts';
export {
  startRedisCluster,
  startRedisSentinel,
  startRedisTls,
  type TestRedisForm,
  type TestRedisTls,
  type TestSentinel,
} from './redis-forms.ts';
export {
  openKubepods,
  requireKubepods,
  type CgroupDriver,
  type CgroupLayout,
  type PodClass,
  type TestContainer,
  type TestKubepods,
} from './kubepods.ts';
export { startWebhook, type TestWebhook, type WebhookMessageBody } from './webhook.ts';
export { SmallDisk } from './small-disk.ts';
export { makeCertificate } from './certificate.ts';
