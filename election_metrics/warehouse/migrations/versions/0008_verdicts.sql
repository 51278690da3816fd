-- Ballots that a verifier found invalid, and where they count.

CREATE TABLE ingest.verdict_lists (
    verifier text NOT NULL,
    transaction_id text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT verdict_lists_pkey PRIMARY KEY (verifier, transaction_id)
);
CREATE INDEX verdict_lists_transaction_id_idx ON ingest.verdict_lists (transaction_id);
COMMENT ON TABLE ingest.verdict_lists IS
    'Ballots that a verifier found invalid; a verifier''s later list replaces the earlier one';
COMMENT ON COLUMN ingest.verdict_lists.verifier IS 'Who passed it';
COMMENT ON COLUMN ingest.verdict_lists.transaction_id IS 'Transaction';
COMMENT ON COLUMN ingest.verdict_lists.reason IS 'Why the ballot is invalid, in the verifier''s words';
COMMENT ON COLUMN ingest.verdict_lists.recorded_at IS 'When the verifier''s list was taken in';

CREATE TABLE ingest.verdict_rows (
    hour_number bigint NOT NULL,
    transaction_id text NOT NULL,
    constituency_id text NOT NULL,
    counts_as text NOT NULL,
    votes bigint NOT NULL,
    CONSTRAINT verdict_rows_pkey PRIMARY KEY (hour_number, transaction_id)
);
CREATE INDEX verdict_rows_constituency_id_idx ON ingest.verdict_rows (constituency_id);
CREATE INDEX verdict_rows_transaction_id_idx ON ingest.verdict_rows (transaction_id);
COMMENT ON TABLE ingest.verdict_rows IS 'Transactions of computed hours on which there is a verdict';
COMMENT ON COLUMN ingest.verdict_rows.transaction_id IS 'Transaction';
COMMENT ON COLUMN ingest.verdict_rows.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.verdict_rows.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.verdict_rows.counts_as IS 'What it counts as here: vote_cast is a vote that counts';
COMMENT ON COLUMN ingest.verdict_rows.votes IS 'Votes of the row: 1, or more in a table';

CREATE VIEW metrics.verdicts AS
SELECT
    place.election_id,
    ballot.constituency_id,
    to_timestamp(ballot.hour_number * 3600.0) AS hour,
    verdict.verifier,
    verdict.transaction_id,
    verdict.reason,
    ballot.counts_as,
    CASE WHEN ballot.counts_as = 'vote_cast' THEN ballot.votes ELSE 0 END AS votes_found_invalid,
    verdict.recorded_at
FROM ingest.verdict_lists AS verdict
LEFT JOIN ingest.verdict_rows AS ballot USING (transaction_id)
LEFT JOIN metrics.constituencies AS place USING (constituency_id);
COMMENT ON VIEW metrics.verdicts IS
    'Verdicts of verifiers on single ballots, and what each ballot counts as here. Key: verifier, transaction_id. '
    'The figures of the other tables count what the chain accepted, whatever a verdict says';
COMMENT ON COLUMN metrics.verdicts.election_id IS 'Election; NULL where the id is not known here';
COMMENT ON COLUMN metrics.verdicts.constituency_id IS 'Constituency; NULL where the id is not known here';
COMMENT ON COLUMN metrics.verdicts.hour IS 'Start of the hour of the ballot (UTC); NULL where the id is not known here';
COMMENT ON COLUMN metrics.verdicts.verifier IS 'Who passed it';
COMMENT ON COLUMN metrics.verdicts.transaction_id IS 'Transaction';
COMMENT ON COLUMN metrics.verdicts.reason IS 'Why the ballot is invalid, in the verifier''s words';
COMMENT ON COLUMN metrics.verdicts.counts_as IS
    'What the transaction counts as here: vote_cast (a vote that counts), vote_rejected, vote_unknown, revote, withdrawn, '
    'bulletin_issued, …; NULL where the id is not known here';
COMMENT ON COLUMN metrics.verdicts.votes_found_invalid IS 'Votes that count here and were found invalid: of this ballot';
COMMENT ON COLUMN metrics.verdicts.recorded_at IS 'When the verifier''s list was taken in';

CREATE VIEW metrics.verdict_hourly_stats AS
SELECT
    hour.election_id,
    hour.constituency_id,
    hour.hour,
    hour.votes_cast,
    invalid.votes_found_invalid,
    100.0::double precision * invalid.votes_found_invalid / nullif(hour.votes_cast, 0) AS invalid_share,
    hour.run_id,
    hour.computed_at
FROM (
    SELECT constituency_id, hour_number, sum(votes)::bigint AS votes_found_invalid
    FROM ingest.verdict_rows
    WHERE counts_as = 'vote_cast'
    GROUP BY constituency_id, hour_number
) AS invalid
JOIN metrics.hourly_stats AS hour
    ON hour.constituency_id = invalid.constituency_id AND hour.hour = to_timestamp(invalid.hour_number * 3600.0);
COMMENT ON VIEW metrics.verdict_hourly_stats IS
    'Votes of each constituency and hour that a verifier found invalid; a row only where there are any. Key: '
    'constituency_id, hour. A vote that several verifiers found invalid counts once';
COMMENT ON COLUMN metrics.verdict_hourly_stats.election_id IS 'Election';
COMMENT ON COLUMN metrics.verdict_hourly_stats.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.verdict_hourly_stats.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.verdict_hourly_stats.votes_cast IS 'Accepted votes, those found invalid included';
COMMENT ON COLUMN metrics.verdict_hourly_stats.votes_found_invalid IS 'Votes that count here and were found invalid';
COMMENT ON COLUMN metrics.verdict_hourly_stats.invalid_share IS
    'votes_found_invalid / votes_cast * 100; NULL without votes';
COMMENT ON COLUMN metrics.verdict_hourly_stats.run_id IS 'Dagster run that wrote the row of the hour';
COMMENT ON COLUMN metrics.verdict_hourly_stats.computed_at IS 'When the row of the hour was computed';
