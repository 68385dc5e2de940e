import type { Admin, Kafka } from 'kafkajs';

const PATIENCE_MS = 15_000;
const LONGEST_PAUSE_MS = 1000;

export interface PartitionOffsets {
  readonly partition: number;
  readonly low: bigint;
  readonly high: bigint;
}

/**
 * First offset and end of each partition, by partition. While leaders move, or have not taken their partitions of a new topic yet,
 * kafkajs gives up at once and keeps the leaders it knew: so it is asked again, with what the brokers say then.
 * @throws KafkaJSError when that does not pass within 15 s
 */
export async function topicOffsets(kafka: Kafka, admin: Admin, topic: string): Promise<PartitionOffsets[]> {
  const end = performance.now() + PATIENCE_MS;
  let ask = () => admin.fetchTopicOffsets(topic);
  for (let pause = 50; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return sorted(await ask());
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable !== true || performance.now() + pause > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
      ask = () => askAnew(kafka, topic);
    }
  }
}

/** A client of its own knows no leaders from before. */
async function askAnew(kafka: Kafka, topic: string): Promise<Answer> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await admin.fetchTopicOffsets(topic);
  } finally {
    await admin.disconnect();
  }
}

type Answer = Awaited<ReturnType<Admin['fetchTopicOffsets']>>;

function sorted(partitions: Answer): PartitionOffsets[] {
  return partitions
    .map(({ partition, low, high }) => ({ partition, low: BigInt(low), high: BigInt(high) }))
    .sort((a, b) => a.partition - b.partition);
}
