import type { UnresolvedBinariesResponse } from '@perfleet/api-contract';
import type { Selector } from '@perfleet/selector';
import type { TimeRange } from '../http/time.ts';
import type { AskOptions, Db } from './db.ts';
import { args } from './series.ts';
import type { SqlText } from './samples.ts';
import { sourceOf } from './sources.ts';

/**
 * Columns: binary, its id, reason, first and last time, value, samples, nodes, samples of all. As the view
 * `unresolved_binaries`, but the samples are chosen and grouped by series and stack before anything is joined.
 */
function unresolvedSql(selector: Selector, range: TimeRange, limit: number): SqlText {
  // Since when is a question to the second, and roll-ups have no nodes.
  const { samples, where, params } = sourceOf(selector, range, { labels: ['node'] });
  return {
    sql: `WITH chosen AS (
  SELECT stack, l.node_name AS node, min(s.first) AS first, max(s.last) AS last,
         sum(intDivOrZero(s.v, l.sample_period)) AS n
  FROM (
    SELECT key, stack, min(time) AS first, max(time) AS last, sum(value) AS v FROM ${samples}
    GROUP BY key, stack
  ) AS s INNER JOIN (
    SELECT series AS key, any(node) AS node_name, any(period) AS sample_period FROM series WHERE ${where} GROUP BY key
  ) AS l USING (key)
  GROUP BY stack, node
), nameless AS (
  SELECT f.frame AS frame, f.mapping AS binary, f.binary_id AS id, if(s.frame = 0, 'not looked at yet', s.reason) AS why
  FROM (SELECT frame, mapping, binary_id FROM frames FINAL WHERE binary_id != '' AND function = '') AS f
  LEFT JOIN (SELECT frame, quality, reason FROM symbols FINAL) AS s ON f.frame = s.frame
  WHERE s.quality = 0
), marked AS (
  SELECT g.stack AS stack, n.binary AS binary, n.id AS id, min(n.why) AS why
  FROM (
    SELECT DISTINCT stack, arrayJoin(frames) AS frame FROM stacks WHERE stack IN (SELECT stack FROM chosen)
  ) AS g INNER JOIN nameless AS n ON g.frame = n.frame
  GROUP BY g.stack, n.binary, n.id
)
SELECT m.binary, m.id, min(m.why) AS why, toUnixTimestamp(min(c.first)), toUnixTimestamp(max(c.last)), sum(c.n) AS total,
       uniqExact(c.node), (SELECT sum(n) FROM chosen)
FROM chosen AS c INNER JOIN marked AS m ON c.stack = m.stack
GROUP BY m.binary, m.id ORDER BY total DESC, m.binary, m.id LIMIT ${limit}`,
    params,
  };
}

export async function queryUnresolvedBinaries(
  db: Db,
  { selector, range }: { readonly selector: Selector; readonly range: TimeRange },
  limit: number,
  options: AskOptions,
): Promise<UnresolvedBinariesResponse> {
  const { rows } = await db.ask(...args(unresolvedSql(selector, range, limit)), options);
  return {
    binaries: rows.map(([binary, binaryId, reason, since, until, samples, nodes, all]) => ({
      binary: String(binary),
      binaryId: String(binaryId),
      reason: String(reason),
      since: Number(since) * 1000,
      until: Number(until) * 1000,
      samples: Number(samples),
      share: Number(all) > 0 ? Number(samples) / Number(all) : 0,
      nodes: Number(nodes),
    })),
  };
}
