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
    identities bigint[] NOT NULL,
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
COMMENT ON COLUMN ingest.block_ranges.identities IS 'A number for the block of each height; another block of the height has another one';

CREATE TABLE ingest.expected_shards (
    shards bigint NOT NULL,
    CONSTRAINT expected_shards_pkey PRIMARY KEY (shards)
);
COMMENT ON TABLE ingest.expected_shards IS 'How many shards the chain has, by the setting SHARDS: one row, none if it is not set';
COMMENT ON COLUMN ingest.expected_shards.shards IS 'The number';

-- The blocks of all dumps together. A dump that was withdrawn whole covers nothing.
CREATE VIEW ingest.shard_coverage AS
WITH counted AS (
    SELECT shard, first_height, last_height, first_at, last_at FROM ingest.block_ranges AS range
    WHERE NOT EXISTS (
        SELECT 1 FROM ingest.transaction_files AS file WHERE file.path = range.path AND file.status = 'withdrawn'
            AND (range.member = '' OR starts_with(file.member, range.member || '/'))
    ) OR EXISTS (
        SELECT 1 FROM ingest.transaction_files AS file WHERE file.path = range.path AND file.status = 'landed'
            AND (range.member = '' OR starts_with(file.member, range.member || '/'))
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
    -- A block holds what happened since the block before: the first one reaches back as far as blocks are apart.
    date_trunc('hour', min(first_at) + interval '59 minutes 59.999999 seconds' - least(
        (max(last_at) - min(first_at)) / greatest(upper(heights) - 1 - lower(heights), 1), interval '10 minutes'
    )) AS first_hour,
    date_trunc('hour', max(last_at)) AS end_hour
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
CREATE INDEX transaction_files_on_chain ON ingest.transaction_files (constituency_id, shard) WHERE shard IS NOT NULL;
COMMENT ON COLUMN ingest.transaction_files.shard IS 'Shard of the chain on which the contract lies; NULL where the file is no dump of blocks';

CREATE VIEW metrics.constituency_registers AS
WITH calls AS (
    SELECT
        constituency.constituency_id,
        sum(voters) FILTER (WHERE operation = 'addVotersList' AND (occurred_at < starts_at OR starts_at IS NULL))::bigint
            AS initial_voters,
        sum(voters) FILTER (WHERE operation = 'addVotersList' AND occurred_at >= starts_at)::bigint AS added_voters,
        sum(voters) FILTER (WHERE operation = 'addToVotersList')::bigint AS restored_voters,
        -sum(voters) FILTER (WHERE operation = 'removeFromVotersList')::bigint AS removed_voters
    FROM metrics.constituencies AS constituency
    JOIN ingest.standing_registry_events AS event USING (constituency_id)
    WHERE voters IS NOT NULL
    GROUP BY constituency.constituency_id
)
SELECT
    constituency.election_id,
    constituency.constituency_id,
    calls.initial_voters,
    CASE WHEN calls.constituency_id IS NOT NULL THEN coalesce(calls.added_voters, 0) END AS added_voters,
    CASE WHEN calls.constituency_id IS NOT NULL THEN coalesce(calls.restored_voters, 0) END AS restored_voters,
    CASE WHEN calls.constituency_id IS NOT NULL THEN coalesce(calls.removed_voters, 0) END AS removed_voters,
    constituency.registered_voters AS current_voters,
    coalesce(metric.votes_cast, 0) AS votes_cast,
    round(metric.votes_cast * 100.0 / nullif(calls.initial_voters, 0), 4)::double precision AS rate_of_initial_register,
    metric.participation_rate AS rate_of_current_register
FROM metrics.constituencies AS constituency
LEFT JOIN calls USING (constituency_id)
LEFT JOIN metrics.constituency_metrics AS metric
    ON metric.constituency_id = constituency.constituency_id AND metric.period = 'election';
COMMENT ON VIEW metrics.constituency_registers IS
    'The register of each constituency told apart: at the opening, added, restored, removed, now; and turnout of both registers';
COMMENT ON COLUMN metrics.constituency_registers.election_id IS 'Election';
COMMENT ON COLUMN metrics.constituency_registers.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.constituency_registers.initial_voters IS
    'Voters of addVotersList calls before the opening; NULL where there is none. All of them where the opening is not known';
COMMENT ON COLUMN metrics.constituency_registers.added_voters IS
    'Voters of addVotersList calls from the opening on; NULL without any call on the register, as the next two';
COMMENT ON COLUMN metrics.constituency_registers.restored_voters IS
    'Voters of addToVotersList calls: they are in the electronic list again';
COMMENT ON COLUMN metrics.constituency_registers.removed_voters IS
    'Voters of removeFromVotersList calls: they left the electronic list, in 2026 mostly to vote on paper';
COMMENT ON COLUMN metrics.constituency_registers.current_voters IS
    'Registered voters now: the calls together, or the figure of the reference data, which overrides them';
COMMENT ON COLUMN metrics.constituency_registers.votes_cast IS 'Accepted votes, one of each voter key';
COMMENT ON COLUMN metrics.constituency_registers.rate_of_initial_register IS
    'Votes cast / initial_voters * 100; NULL where that is 0 or not known. Of the list as it was when voting began';
COMMENT ON COLUMN metrics.constituency_registers.rate_of_current_register IS
    'Votes cast / current_voters * 100: the participation_rate of the other tables';
