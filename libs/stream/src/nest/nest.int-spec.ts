import 'reflect-metadata';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { waitFor } from '@perfleet/testing';
import { expect, it } from 'vitest';
import { openEmbeddedStream } from '../embedded/embedded-stream.ts';
import type { PartitionAssignment, PartitionHandler } from '../stream.ts';
import { StreamHandler, StreamServer } from './index.ts';

const SEEN = Symbol('seen');

@Controller()
class Handlers {
  constructor(@Inject(SEEN) private readonly seen: string[]) {}

  @StreamHandler({ topic: 'a', group: 'g' })
  a(assignment: PartitionAssignment): PartitionHandler {
    return this.handler(assignment);
  }

  @StreamHandler({ topic: 'b', group: 'g' })
  b(assignment: PartitionAssignment): PartitionHandler {
    return this.handler(assignment);
  }

  private handler(assignment: PartitionAssignment): PartitionHandler {
    return {
      onBatch: async ({ messages }) => {
        for (const { value } of messages) this.seen.push(`${assignment.topic}:${[...value!].join()}`);
        await assignment.commit(messages.at(-1)!.offset + 1n);
      },
      onClose: async () => void this.seen.push(`close ${assignment.topic}`),
    };
  }
}

it('opens partitions by controller methods, with bytes as they are, and closes them', async () => {
  const stream = await openEmbeddedStream({ path: ':memory:' });
  await stream.ensureTopics(['p.a', 'p.b'].map((name) => ({ name, partitions: 1, retentionMs: -1, compacted: false })));
  const seen: string[] = [];
  @Module({ controllers: [Handlers], providers: [{ provide: SEEN, useValue: seen }] })
  class App {}
  const app = await NestFactory.createMicroservice(App, {
    strategy: new StreamServer(stream, { prefix: 'p.' }),
    logger: false,
  });
  await app.listen();
  const producer = await stream.producer();
  await producer.send('p.a', [{ key: 'k', value: Uint8Array.of(255, 0) }]);
  await producer.send('p.b', [{ key: 'k', value: Uint8Array.of(1) }]);
  await waitFor(() => seen.length === 2, { timeoutMs: 10_000, what: 'both messages' });
  expect(seen.sort()).toEqual(['p.a:255,0', 'p.b:1']);
  await app.close();
  expect(seen.slice(2).sort()).toEqual(['close p.a', 'close p.b']);
  await stream.close();
});

it('fails to listen when a topic does not exist', async () => {
  const stream = await openEmbeddedStream({ path: ':memory:' });
  @Module({ controllers: [Handlers], providers: [{ provide: SEEN, useValue: [] }] })
  class App {}
  const app = await NestFactory.createMicroservice(App, {
    strategy: new StreamServer(stream),
    logger: false,
    abortOnError: false,
  });
  await expect(app.listen()).rejects.toThrow(/topic a does not exist/);
  await stream.close();
});
