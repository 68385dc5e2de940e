import { SHARDED } from '@perfleet/clickhouse';
import { firstOfEachShard, type AdminServer, type Servers } from './servers.ts';

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
  /** One row an inconsistency of one server, with a column `example`; `{samples}` stands for the table with its own rows. */
  readonly sql: string;
  /** Of each server by itself. Without, it is asked of one server of each shard: its replicas have the same rows. */
  readonly everyServer?: true;
}

/** How long what is on its way may look as if it were missing. */
const SETTLED = 'INTERVAL 10 MINUTE';

export const CHECKS: readonly CheckDefinition[] = [
  {
    name: 'samples without their series',
    meaning: 'they are missing from every query by label',
    sql: `SELECT DISTINCT toString(series) AS example FROM (SELECT series FROM {samples} UNION ALL SELECT series FROM {linked_samples})
          WHERE series NOT IN (SELECT series FROM series)`,
  },
  {
    name: 'samples without their stack',
    meaning: 'they are missing from flame graphs',
    sql: `SELECT DISTINCT toString(stack) AS example FROM (SELECT stack FROM {samples} UNION ALL SELECT stack FROM {linked_samples})
          WHERE stack NOT IN (SELECT stack FROM stacks)`,
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
    sql: `SELECT concat(p.table, ' ', p.partition) AS example FROM system.parts AS p INNER JOIN (
            SELECT name, toUInt32(extract(create_table_query, 'TTL \\\\w+ \\\\+ toIntervalDay\\\\((\\\\d+)\\\\)')) AS days FROM system.tables
            WHERE database = currentDatabase() AND name IN ('{samples}', '{linked_samples}', '{samples_10m}', '{samples_1d}')
          ) AS t ON p.table = t.name
          WHERE p.database = currentDatabase() AND p.active AND p.rows > 0 GROUP BY p.table, p.partition
          HAVING max(p.max_time) < now() - toIntervalDay(any(t.days) + 1)`,
  },
  ...['samples_10m', 'samples_1d'].map((rollUp) => ({
    name: `days whose sum in ${rollUp} is another`,
    meaning: 'queries over whole days and over parts of them do not agree',
    // Days that are whole: neither growing, nor dropped while others are read.
    sql: `SELECT toString(day) AS example FROM (
            SELECT toDate(time) AS day, toInt128(sum(value)) AS v FROM {samples} GROUP BY day
            UNION ALL SELECT toDate(time) AS day, -toInt128(sum(value)) AS v FROM {${rollUp}} GROUP BY day
          ) WHERE day < today() AND day > today() - 14 GROUP BY day HAVING sum(v) != 0`,
  })),
  {
    name: 'samples without their workload',
    meaning: 'they are missing from queries by label',
    sql: `SELECT DISTINCT toString(workload) AS example FROM (
            SELECT workload FROM {samples} UNION ALL SELECT workload FROM {linked_samples} UNION ALL SELECT workload FROM {samples_1d}
          ) WHERE workload NOT IN (SELECT workload FROM workloads)`,
  },
  {
    name: 'parts that are broken',
    meaning: 'the engine put them aside when it started; see its log',
    sql: `SELECT concat(table, ' ', name) AS example FROM system.detached_parts
          WHERE database = currentDatabase() AND reason != '' AND reason NOT IN ('ignored', 'clone')`,
    everyServer: true,
  },
  {
    name: 'replicas that are behind',
    meaning: 'they take no writes, or lack what others of their group have; see system.replication_queue there',
    sql: `SELECT concat(table, if(is_readonly, ' is read-only', concat(' by ', toString(absolute_delay), ' s'))) AS example
          FROM system.replicas WHERE database = currentDatabase() AND (is_readonly OR is_session_expired OR absolute_delay > 600)`,
    everyServer: true,
  },
];

const MOST_EXAMPLES = 5;

/**
 * Inconsistencies of the store; reads each table once on one server of each shard, and blocks nothing. Where there are shards, what is
 * found is counted for each, and examples name theirs.
 * @throws ClickHouseError that names a server which is away
 */
export async function checkStore(servers: Servers, checks: readonly CheckDefinition[] = CHECKS): Promise<Finding[]> {
  const firsts = firstOfEachShard(servers);
  const findings: Finding[] = [];
  for (const { name, sql, everyServer } of checks) {
    const own = SHARDED.reduce((text, table) => text.replaceAll(`{${table}}`, servers.table(table)), sql);
    let count = 0;
    const examples: string[] = [];
    for (const server of everyServer ? servers.all : firsts) {
      const [row] = await server.store.query<{ found: string; examples: string[] }>(
        `SELECT count() AS found, groupArray(${MOST_EXAMPLES})(example) AS examples FROM (SELECT example FROM (${own}) ORDER BY example)`,
      );
      count += Number(row!.found);
      const where = placeOf(server, everyServer === true);
      examples.push(...row!.examples.map((example) => where + example));
    }
    findings.push({ check: name, count, examples: examples.slice(0, MOST_EXAMPLES) });
  }
  return findings;
}

const placeOf = ({ shard, name }: AdminServer, everyServer: boolean) =>
  shard === '' ? '' : everyServer ? `${name}: ` : `shard ${shard}: `;
