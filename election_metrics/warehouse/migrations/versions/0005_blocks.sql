-- Dumps of the chain's blocks: which heights of which shard they hold.

CREATE TABLE ingest.block_ranges (
    path text NOT NULL,
    member text NOT NULL,
    shard text NOT NULL,
    first_height bigint NOT NULL,
    last_height bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    blocks bigint NOT NULL,
    CONSTRAINT block_ranges_pkey PRIMARY KEY (path, member, shard, first_height)
);
CREATE INDEX block_ranges_shard_idx ON ingest.block_ranges (shard);
COMMENT ON TABLE ingest.block_ranges IS 'Blocks of each dump, without a gap between them';
COMMENT ON COLUMN ingest.block_ranges.path IS 'The dump';
COMMENT ON COLUMN ingest.block_ranges.member IS 'Name within the archive; empty for a plain file';
COMMENT ON COLUMN ingest.block_ranges.shard IS 'Shard of the chain: as a path names it, else by the contracts on it';
COMMENT ON COLUMN ingest.block_ranges.first_height IS 'Height of the first block';
COMMENT ON COLUMN ingest.block_ranges.last_height IS 'Height of the last block; none between them is missing';
COMMENT ON COLUMN ingest.block_ranges.first_at IS 'Time of the first block';
COMMENT ON COLUMN ingest.block_ranges.last_at IS 'Time of the last block';
COMMENT ON COLUMN ingest.block_ranges.blocks IS 'Blocks read, each height once';

CREATE TABLE ingest.expected_shards (
    shards bigint NOT NULL,
    CONSTRAINT expected_shards_pkey PRIMARY KEY (shards)
);
COMMENT ON TABLE ingest.expected_shards IS 'How many shards the chain has, by the setting SHARDS: one row, none if it is not set';
COMMENT ON COLUMN ingest.expected_shards.shards IS 'The number';

-- The blocks of all dumps together. A dump that was withdrawn covers nothing.
CREATE VIEW ingest.shard_coverage AS
WITH counted AS (
    SELECT shard, first_height, last_height, first_at, last_at FROM ingest.block_ranges AS range
    WHERE NOT EXISTS (
        SELECT 1 FROM ingest.transaction_files AS file WHERE file.path = range.path AND file.status = 'withdrawn'
    )
), merged AS (
    SELECT shard, unnest(range_agg(int8range(first_height, last_height, '[]'))) AS heights FROM counted GROUP BY shard
)
SELECT
    merged.shard,
    lower(heights) AS first_height,
    upper(heights) - 1 AS last_height,
    min(first_at) AS first_at,
    max(last_at) AS last_at,
    -- An hour is covered if blocks run from its first minute to its last.
    date_trunc('hour', min(first_at) + interval '59 minutes') AS first_hour,
    date_trunc('hour', max(last_at) + interval '1 minute') AS end_hour
FROM merged
JOIN counted ON counted.shard = merged.shard AND int8range(counted.first_height, counted.last_height, '[]') <@ heights
GROUP BY merged.shard, heights;
COMMENT ON VIEW ingest.shard_coverage IS 'Blocks of each shard, of all dumps together, without a gap between them';
COMMENT ON COLUMN ingest.shard_coverage.shard IS 'Shard of the chain: as a path names it, else by the contracts on it';
COMMENT ON COLUMN ingest.shard_coverage.first_height IS 'Height of the first block';
COMMENT ON COLUMN ingest.shard_coverage.last_height IS 'Height of the last block; none between them is missing';
COMMENT ON COLUMN ingest.shard_coverage.first_at IS 'Time of the first block';
COMMENT ON COLUMN ingest.shard_coverage.last_at IS 'Time of the last block';
COMMENT ON COLUMN ingest.shard_coverage.first_hour IS 'Start of the first hour that these blocks cover (UTC)';
COMMENT ON COLUMN ingest.shard_coverage.end_hour IS 'End of the last hour that these blocks cover (UTC)';

-- Contracts of which the last vote of a voter key counts.
ALTER TABLE ingest.corrections DROP CONSTRAINT corrections_kind_check;
ALTER TABLE ingest.corrections ADD CONSTRAINT corrections_kind_check
    CHECK (kind IN ('rollback', 'repeated_vote', 'repeated_issue', 'last_vote_stands'));
COMMENT ON TABLE ingest.corrections IS 'Corrections: rollbacks, repeated votes and issues of one voter, and contracts of which the last vote of a voter counts';
COMMENT ON COLUMN ingest.corrections.kind IS 'rollback, repeated_vote, repeated_issue or last_vote_stands';
COMMENT ON COLUMN ingest.corrections.occurred_ms IS 'Time of the repeated row, epoch milliseconds; 0 for the other kinds';

ALTER TABLE ingest.transaction_files ADD COLUMN shard text;
COMMENT ON COLUMN ingest.transaction_files.shard IS 'Shard of the chain on which the contract lies; NULL where the file is no dump of blocks';
