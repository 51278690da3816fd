-- What happens inside an hour, for readers and rules; and the interval that a rule expects.

CREATE TABLE ingest.inside_hours (
    constituency_id text NOT NULL,
    hour_number bigint NOT NULL,
    bulletins bigint[] NOT NULL,
    votes bigint[] NOT NULL,
    vote_gaps bigint,
    gap_seconds double precision,
    gap_squares double precision,
    equal_gaps bigint,
    equal_gap bigint,
    registrar text,
    registrar_run bigint,
    registrar_own bigint,
    registrar_before bigint,
    registrar_after bigint,
    CONSTRAINT inside_hours_pkey PRIMARY KEY (constituency_id, hour_number)
);
CREATE INDEX inside_hours_hour_number_idx ON ingest.inside_hours (hour_number);
COMMENT ON TABLE ingest.inside_hours IS 'Inside each hour of hourly_stats with ballots: 5-minute counts, gaps between votes, registrars';
COMMENT ON COLUMN ingest.inside_hours.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.inside_hours.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.inside_hours.bulletins IS 'Bulletins issued in each 5 minutes: 12 numbers';
COMMENT ON COLUMN ingest.inside_hours.votes IS 'Votes cast in each 5 minutes: 12 numbers';
COMMENT ON COLUMN ingest.inside_hours.vote_gaps IS 'Gaps between consecutive votes; NULL for fewer than 20 votes, and where times are not known to the second';
COMMENT ON COLUMN ingest.inside_hours.gap_seconds IS 'Sum of these gaps, seconds';
COMMENT ON COLUMN ingest.inside_hours.gap_squares IS 'Sum of their squares, square seconds';
COMMENT ON COLUMN ingest.inside_hours.equal_gaps IS 'Consecutive gaps of the same whole seconds, one or more: the longest run; NULL where none repeats';
COMMENT ON COLUMN ingest.inside_hours.equal_gap IS 'Seconds of each of them';
COMMENT ON COLUMN ingest.inside_hours.registrar IS 'First 8 characters of the registrar with the least likely run of bulletins, where several take turns; NULL for fewer than 20 bulletins';
COMMENT ON COLUMN ingest.inside_hours.registrar_run IS 'Bulletins of that run, which nobody else interrupted';
COMMENT ON COLUMN ingest.inside_hours.registrar_own IS 'Bulletins of that registrar in the hour';
COMMENT ON COLUMN ingest.inside_hours.registrar_before IS 'Bulletins of the hour before the run, whoever issued them';
COMMENT ON COLUMN ingest.inside_hours.registrar_after IS 'Bulletins of the hour after the run';

CREATE VIEW metrics.interval_stats AS
SELECT
    hour.election_id,
    hour.constituency_id,
    hour.hour,
    hour.hour + (part.place - 1) * interval '5 minutes' AS interval_start,
    part.bulletins_issued,
    part.votes_cast,
    hour.run_id,
    hour.computed_at
FROM metrics.hourly_stats AS hour
JOIN ingest.inside_hours AS inside
    ON inside.constituency_id = hour.constituency_id
    AND inside.hour_number = extract(epoch FROM hour.hour)::bigint / 3600
CROSS JOIN LATERAL unnest(inside.bulletins, inside.votes)
    WITH ORDINALITY AS part (bulletins_issued, votes_cast, place)
WHERE part.bulletins_issued > 0 OR part.votes_cast > 0;
COMMENT ON VIEW metrics.interval_stats IS
    'Bulletins and votes of each constituency and 5 minutes; no row for 5 minutes without any, nor for hours that were '
    'computed with the setting INTERVALS off';
COMMENT ON COLUMN metrics.interval_stats.interval_start IS 'Start of the 5 minutes (UTC)';

COMMENT ON COLUMN metrics.interval_stats.election_id IS 'Election';
COMMENT ON COLUMN metrics.interval_stats.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.interval_stats.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.interval_stats.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.interval_stats.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.interval_stats.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.interval_stats.computed_at IS 'When the row was computed';

CREATE TABLE metrics.rule_coverage (
    election_id text NOT NULL,
    rule text NOT NULL,
    constituencies_judged bigint NOT NULL,
    constituencies_total bigint NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT rule_coverage_pkey PRIMARY KEY (election_id, rule),
    CONSTRAINT rule_coverage_election_id_fkey FOREIGN KEY (election_id) REFERENCES metrics.elections (election_id)
);
COMMENT ON TABLE metrics.rule_coverage IS 'How many constituencies of an election each rule can judge: small ones have too few votes for some';
COMMENT ON COLUMN metrics.rule_coverage.election_id IS 'Election';
COMMENT ON COLUMN metrics.rule_coverage.rule IS 'Rule';
COMMENT ON COLUMN metrics.rule_coverage.constituencies_judged IS 'Constituencies that the rule can judge in any hour so far; regions and the whole election are judged beside them';
COMMENT ON COLUMN metrics.rule_coverage.constituencies_total IS 'Constituencies in the registry';
COMMENT ON COLUMN metrics.rule_coverage.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.rule_coverage.computed_at IS 'When the row was computed';

ALTER TABLE metrics.anomalies ADD COLUMN expected_low double precision;
ALTER TABLE metrics.anomalies ADD COLUMN expected_high double precision;
COMMENT ON COLUMN metrics.anomalies.expected_low IS 'Lower end of the usual counts around expected: 99 of 100 lie between it and expected_high, by the count model of the rule; NULL where expected is no number of votes';
COMMENT ON COLUMN metrics.anomalies.expected_high IS 'Upper end of the usual counts; NULL as expected_low';
COMMENT ON COLUMN metrics.anomalies.window_start IS 'Start of the finding (UTC): of its first hour, or of its first 5 minutes';
COMMENT ON COLUMN metrics.anomalies.window_end IS 'End of its last hour, or of its last 5 minutes';
