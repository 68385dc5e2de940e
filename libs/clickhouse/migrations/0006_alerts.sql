-- What the alert store was made of, change by change, as the topic `perfleet.alerts` has it: a node state store that lost
-- everything gets its alerts, acknowledgements and silences back from here. `time` is the broker's.
CREATE TABLE alert_change_log
(
    time     DateTime64(3, 'UTC'),
    `offset` UInt64,
    item     LowCardinality(String),
    id       String,
    removed  UInt8,
    body     String
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (item, id, time, `offset`)
SETTINGS non_replicated_deduplication_window = 100000;

-- What alerts did and what was done to them: fired, resolved, delivered, acknowledged, silenced.
CREATE VIEW alert_history AS
SELECT
    fromUnixTimestamp64Milli(JSONExtractInt(body, 'time'), 'UTC') AS time,
    JSONExtractString(body, 'cluster') AS cluster,
    JSONExtractString(body, 'node') AS node,
    JSONExtractString(body, 'kind') AS kind,
    JSONExtractString(body, 'what') AS what,
    JSONExtractString(body, 'detail') AS detail,
    JSONExtractString(body, 'alert') AS alert
FROM (SELECT id, any(body) AS body FROM alert_change_log WHERE item = 'history' GROUP BY id);
