import type { Store } from '@perfleet/clickhouse';

export interface Finding {
  readonly check: string;
  /** Of what `check` names. */
  readonly count: number;
  /** Some of them. */
  readonly examples: readonly string[];
}

export interface CheckDefinition {
  readonly name: string;
  /** What it means and what to do. */
  readonly meaning: string;
  /** One row an inconsistency, with a column `example`. */
  readonly sql: string;
}

/** Days that raw samples are kept, by the TTL of the table, and one for parts that are dropped late. */
const SAMPLES_DAYS = 14 + 1;

/** How long what is on its way may look as if it were missing. */
const SETTLED = 'INTERVAL 10 MINUTE';

export const CHECKS: readonly CheckDefinition[] = [
  {
    name: 'samples without their series',
    meaning: 'they are missing from every query by label',
    sql: `SELECT DISTINCT toString(series) AS example FROM samples WHERE series NOT IN (SELECT series FROM series)`,
  },
  {
    name: 'samples without their stack',
    meaning: 'they are missing from flame graphs',
    sql: `SELECT DISTINCT toString(stack) AS example FROM samples WHERE stack NOT IN (SELECT stack FROM stacks)`,
  },
  {
    name: 'stacks with a frame that is missing',
    meaning: 'the frame is shown as frame+0x…',
    sql: `SELECT DISTINCT toString(stack) AS example FROM (SELECT stack, arrayJoin(frames) AS frame FROM stacks)
          WHERE frame NOT IN (SELECT frame FROM frames)`,
  },
  {
    name: 'deliveries that do not balance',
    meaning: 'samples that a node took are neither stored nor counted as lost, or more are stored than were taken',
    sql: `SELECT concat(node, ' ', epoch, ': ', toString(balance)) AS example FROM deliveries WHERE balance != 0
          AND (node, epoch) NOT IN (SELECT node, epoch FROM delivery_log WHERE time > now() - ${SETTLED})`,
  },
  {
    name: 'messages stored twice',
    meaning: 'the same offset of a topic was written again: its samples may count twice',
    sql: `SELECT concat(topic_id, ' ', toString(partition), ':', toString(\`offset\`)) AS example FROM delivery_log
          GROUP BY topic_id, partition, \`offset\` HAVING count() > 1`,
  },
  {
    name: 'partitions out of retention',
    meaning: 'the engine drops them when it merges; `perfleet admin drop` does it now',
    sql: `SELECT concat(table, ' ', partition) AS example FROM system.parts
          WHERE database = currentDatabase() AND table = 'samples' AND active GROUP BY table, partition
          HAVING max(max_time) < now() - INTERVAL ${SAMPLES_DAYS} DAY`,
  },
  {
    name: 'parts that are broken',
    meaning: 'the engine put them aside when it started; see its log',
    sql: `SELECT concat(table, ' ', name) AS example FROM system.detached_parts
          WHERE database = currentDatabase() AND reason != '' AND reason NOT IN ('ignored', 'clone')`,
  },
];

const MOST_EXAMPLES = 5;

/** Inconsistencies of the store; reads each table once, and blocks nothing. */
export async function checkStore(store: Store, checks: readonly CheckDefinition[] = CHECKS): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, sql } of checks) {
    const [row] = await store.query<{ found: string; examples: string[] }>(
      `SELECT count() AS found, groupArray(${MOST_EXAMPLES})(example) AS examples FROM (${sql})`,
    );
    findings.push({ check: name, count: Number(row!.found), examples: row!.examples });
  }
  return findings;
}
