import { encoded, type Cluster } from './internals.ts';

const METADATA = 3;
const VERSION = 12;

/**
 * The identity of each topic, a UUID that the broker gave it when it was created (KIP-516, brokers from 2.8 on). kafkajs ends at version 6 of
 * the metadata request, which has none, so version 12 is written and read here: compact strings and arrays (length + 1 as an
 * unsigned varint) and a list of tagged fields after every structure (KIP-482).
 * @throws Error when a topic does not exist
 */
export async function fetchTopicIds(cluster: Cluster, topics: readonly string[]): Promise<Map<string, string>> {
  const broker = await cluster.findControllerBroker();
  const answer = await broker.connectionPool.send({
    request: {
      apiKey: METADATA,
      apiVersion: VERSION,
      apiName: 'Metadata',
      encode: async () => encoded(encodeTopicsRequest(topics)),
    },
    response: { decode: async (payload) => decodeTopicsResponse(payload), parse: async (data) => data },
  });
  for (const topic of topics) if (!answer.has(topic)) throw new Error(`topic ${topic} does not exist`);
  return answer;
}

export function encodeTopicsRequest(topics: readonly string[]): Buffer {
  const parts: Buffer[] = [Buffer.from([0]), uvarint(topics.length + 1)];
  for (const topic of topics) {
    const name = Buffer.from(topic);
    parts.push(Buffer.alloc(16), uvarint(name.length + 1), name, Buffer.from([0]));
  }
  // No creation of topics, no authorised operations, no tagged fields.
  return Buffer.concat([...parts, Buffer.from([0, 0, 0])]);
}

export function decodeTopicsResponse(payload: Buffer): Map<string, string> {
  const r = new Reader(payload);
  r.tags();
  r.skip(4);
  r.array(() => {
    r.skip(4);
    r.string();
    r.skip(4);
    r.string();
    r.tags();
  });
  r.string();
  r.skip(4);
  const ids = new Map<string, string>();
  r.array(() => {
    const error = r.int16();
    const name = r.string();
    const id = r.bytes(16).toString('hex');
    r.skip(1);
    r.array(() => {
      r.skip(2 + 4 + 4 + 4);
      for (let i = 0; i < 3; i++) r.array(() => r.skip(4));
      r.tags();
    });
    r.skip(4);
    r.tags();
    if (error === 0 && name !== null) ids.set(name, id);
  });
  return ids;
}

function uvarint(value: number): Buffer {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

class Reader {
  private at = 0;

  constructor(private readonly data: Buffer) {}

  skip(bytes: number): void {
    this.at += bytes;
  }

  bytes(length: number): Buffer {
    return this.data.subarray(this.at, (this.at += length));
  }

  int16(): number {
    this.at += 2;
    return this.data.readInt16BE(this.at - 2);
  }

  string(): string | null {
    const length = this.uvarint() - 1;
    return length < 0 ? null : this.bytes(length).toString();
  }

  array(each: () => void): void {
    for (let n = this.uvarint() - 1; n > 0; n--) each();
  }

  tags(): void {
    for (let n = this.uvarint(); n > 0; n--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }

  private uvarint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.data.readUInt8(this.at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}
