import type { Logger } from '@perfleet/observability';

/** Characters of a query that its line in the log keeps. */
const TEXT_LENGTH = 2000;

/**
 * One line for every query of a user: who asked what, and what became of it. Values of parameters are not kept.
 * @param text what was sent as the query, whatever it is
 * @param told what the line says of an answer
 */
export async function audited<T>(
  logger: Logger,
  caller: string,
  text: unknown,
  run: () => Promise<T>,
  told: (answer: T) => object,
): Promise<T> {
  const start = performance.now();
  const query = typeof text === 'string' ? text : '';
  const line = (result: object) => ({
    audit: 'sql',
    caller,
    query: query.slice(0, TEXT_LENGTH),
    ...(query.length > TEXT_LENGTH ? { queryLength: query.length } : {}),
    ...result,
    ms: Math.round(performance.now() - start),
  });
  try {
    const answer = await run();
    logger.info(line(told(answer)), 'SQL answered');
    return answer;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logger.info(line({ error: message.slice(0, TEXT_LENGTH) }), 'SQL refused');
    throw error;
  }
}
