import { expect, it } from 'vitest';
import { CallerQueue, type QueueLimits } from './caller-queue.ts';

/** A queue whose work ends when it is told to, and what was let in. */
function trial(limits: Partial<QueueLimits>) {
  const queue = new CallerQueue({ running: 9, runningOfCaller: 9, waitingOfCaller: 9, patienceMs: 1e6, ...limits });
  const started: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const add = (name: string, signal?: AbortSignal) =>
    queue.run(
      name[0]!,
      () => {
        started.push(name);
        return new Promise<string>((resolve, reject) =>
          ends.set(name, (error) => (error ? reject(error) : resolve(name))),
        );
      },
      signal,
    );
  return { add, started, end: (name: string, error?: Error) => ends.get(name)!(error) };
}
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

it('keeps a caller to its share while others go on, and takes turns after that', async () => {
  const { add, started, end } = trial({ running: 3, runningOfCaller: 2, waitingOfCaller: 10 });
  const all = ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'].map((name) => add(name));
  await settled();
  expect(started).toEqual(['a1', 'a2', 'b1']);
  end('a1');
  await settled();
  expect(started.slice(3)).toEqual(['c1']);
  end('b1');
  await settled();
  expect(started.slice(4)).toEqual(['b2']);
  for (const name of ['c1', 'b2', 'a2']) end(name);
  await settled();
  expect(started.slice(5)).toEqual(['a3', 'a4']);
  for (const name of ['a3', 'a4']) end(name);
  expect(await Promise.all(all)).toHaveLength(7);
});

it('refuses what would wait behind too much, until some of it is over', async () => {
  const { add, end } = trial({ running: 1, runningOfCaller: 1, waitingOfCaller: 1 });
  const first = add('a1');
  const second = add('a2');
  await expect(add('a3')).rejects.toMatchObject({
    status: 429,
    message: expect.stringContaining('1 queries that run and 1'),
  });
  end('a1');
  await first;
  const third = add('a3');
  await settled();
  end('a2');
  await second;
  await settled();
  end('a3');
  expect(await third).toBe('a3');
});

it('forgets who went away while it waited, and gives the place of what failed', async () => {
  const { add, started, end } = trial({ running: 1, runningOfCaller: 1, waitingOfCaller: 1 });
  const first = add('a1');
  const gone = new AbortController();
  const second = add('b1', gone.signal);
  gone.abort();
  await expect(second).rejects.toMatchObject({ status: 499 });
  await expect(add('b2', gone.signal)).rejects.toMatchObject({ status: 499 });
  const third = add('c1');
  await settled();
  end('a1', new Error('failed'));
  await expect(first).rejects.toThrow('failed');
  await settled();
  end('c1');
  await third;
  expect(started).toEqual(['a1', 'c1']);
});

it('lets go of who goes away, and keeps the place until the work is over', async () => {
  const { add, started, end } = trial({ running: 2, runningOfCaller: 1, waitingOfCaller: 5 });
  const gone = new AbortController();
  const first = add('a1', gone.signal);
  await settled();
  gone.abort();
  await expect(first).rejects.toMatchObject({ status: 499 });
  const second = add('a2');
  await settled();
  expect(started).toEqual(['a1']);
  end('a1');
  await settled();
  expect(started).toEqual(['a1', 'a2']);
  end('a2');
  await second;
});

it('answers after a while, and keeps the place of work that goes on', async () => {
  const { add, started, end } = trial({ runningOfCaller: 1, patienceMs: 1 });
  await expect(add('a1')).rejects.toMatchObject({ status: 400, code: 'limit' });
  // Its answer may come too late as well: it is let in all the same, and no sooner.
  const second = add('a2').catch(() => 'late');
  await settled();
  expect(started).toEqual(['a1']);
  end('a1', new Error('late'));
  await settled();
  expect(started).toEqual(['a1', 'a2']);
  end('a2');
  await second;
});
