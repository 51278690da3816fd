-- Bulletins and the register by precinct: issues and calls on the register name one, votes do not.

CREATE TABLE ingest.precinct_hours (
    constituency_id text NOT NULL,
    hour_number bigint NOT NULL,
    region_code bigint NOT NULL,
    precinct bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    voters_listed bigint NOT NULL,
    voters_restored bigint NOT NULL,
    voters_removed bigint NOT NULL,
    CONSTRAINT precinct_hours_pkey PRIMARY KEY (constituency_id, hour_number, region_code, precinct)
);
CREATE INDEX precinct_hours_hour_number_idx ON ingest.precinct_hours (hour_number);
CREATE INDEX precinct_hours_busy ON ingest.precinct_hours (hour_number) WHERE bulletins_issued >= 20 OR voters_removed >= 20;
COMMENT ON TABLE ingest.precinct_hours IS
    'Each precinct and hour of hourly_stats with bulletins or changes of the register; votes name no precinct';
COMMENT ON COLUMN ingest.precinct_hours.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.precinct_hours.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.precinct_hours.region_code IS 'Number of the commission''s region; 0 where the calls do not say it';
COMMENT ON COLUMN ingest.precinct_hours.precinct IS 'Number of the precinct''s commission (UIK) in its region';
COMMENT ON COLUMN ingest.precinct_hours.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN ingest.precinct_hours.voters_listed IS 'Voters of addVotersList calls';
COMMENT ON COLUMN ingest.precinct_hours.voters_restored IS 'Voters of addToVotersList calls';
COMMENT ON COLUMN ingest.precinct_hours.voters_removed IS 'Voters of removeFromVotersList calls';

CREATE VIEW metrics.precinct_hourly_stats AS
SELECT
    hour.election_id,
    hour.constituency_id,
    precinct.region_code,
    precinct.precinct,
    hour.hour,
    precinct.bulletins_issued,
    precinct.voters_listed,
    precinct.voters_restored,
    precinct.voters_removed,
    hour.run_id,
    hour.computed_at
FROM metrics.hourly_stats AS hour
JOIN ingest.precinct_hours AS precinct
    ON precinct.constituency_id = hour.constituency_id
    AND precinct.hour_number = extract(epoch FROM hour.hour)::bigint / 3600;
COMMENT ON VIEW metrics.precinct_hourly_stats IS
    'Bulletins and register of each precinct and hour; a row only where something happened. Key: constituency_id, '
    'region_code, precinct, hour. Calls that name no precinct are in no row, and votes never name one';
COMMENT ON COLUMN metrics.precinct_hourly_stats.election_id IS 'Election';
COMMENT ON COLUMN metrics.precinct_hourly_stats.constituency_id IS 'Constituency: the contract that serves the precinct';
COMMENT ON COLUMN metrics.precinct_hourly_stats.region_code IS
    'Number of the commission''s region; 0 where the calls do not say it';
COMMENT ON COLUMN metrics.precinct_hourly_stats.precinct IS 'Number of the precinct''s commission (UIK) in its region';
COMMENT ON COLUMN metrics.precinct_hourly_stats.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.precinct_hourly_stats.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.precinct_hourly_stats.voters_listed IS 'Voters of addVotersList calls';
COMMENT ON COLUMN metrics.precinct_hourly_stats.voters_restored IS 'Voters of addToVotersList calls';
COMMENT ON COLUMN metrics.precinct_hourly_stats.voters_removed IS 'Voters of removeFromVotersList calls';
COMMENT ON COLUMN metrics.precinct_hourly_stats.run_id IS 'Dagster run that wrote the row of the hour';
COMMENT ON COLUMN metrics.precinct_hourly_stats.computed_at IS 'When the row of the hour was computed';

CREATE VIEW metrics.precinct_current AS
WITH sums AS (
    SELECT
        constituency.election_id,
        constituency.constituency_id,
        precinct.region_code,
        precinct.precinct,
        sum(bulletins_issued)::bigint AS bulletins_issued,
        coalesce(sum(voters_listed) FILTER (
            WHERE starts_at IS NULL OR hour_number < floor(extract(epoch FROM starts_at) / 3600)
        ), 0)::bigint AS initial_voters,
        sum(voters_listed)::bigint AS listed_voters,
        sum(voters_restored)::bigint AS restored_voters,
        sum(voters_removed)::bigint AS removed_voters,
        to_timestamp(max(hour_number) FILTER (WHERE bulletins_issued > 0) * 3600) AS last_hour,
        count(*) OVER (PARTITION BY constituency.constituency_id, precinct.precinct) AS of_this_number
    FROM metrics.constituencies AS constituency
    JOIN ingest.precinct_hours AS precinct USING (constituency_id)
    GROUP BY constituency.election_id, constituency.constituency_id, precinct.region_code, precinct.precinct
)
SELECT
    sums.election_id,
    sums.constituency_id,
    sums.region_code,
    sums.precinct,
    sums.bulletins_issued,
    CASE WHEN listed_voters > 0 THEN listed_voters + restored_voters - removed_voters END AS registered_voters,
    CASE WHEN listed_voters > 0 THEN initial_voters END AS initial_voters,
    CASE WHEN listed_voters > 0 THEN listed_voters - initial_voters END AS added_voters,
    restored_voters,
    removed_voters,
    CASE
        WHEN listed_voters > 0 THEN round(
            sums.bulletins_issued * 100.0 / nullif(listed_voters + restored_voters - removed_voters, 0), 4
        )::double precision
    END AS issue_rate,
    last_hour,
    portal.bulletins_issued AS published_bulletins,
    portal.registered_voters AS published_voters
FROM sums
LEFT JOIN metrics.portal_precincts AS portal
    ON portal.constituency_id = sums.constituency_id AND portal.precinct = sums.precinct::text
    AND portal.superseded_at IS NULL AND sums.of_this_number = 1;
COMMENT ON VIEW metrics.precinct_current IS
    'Each precinct so far: bulletins issued, and its register now and at the opening. Key: constituency_id, region_code, '
    'precinct. A precinct of two contracts has a row for each: the ballots differ, the voters do not';
COMMENT ON COLUMN metrics.precinct_current.election_id IS 'Election';
COMMENT ON COLUMN metrics.precinct_current.constituency_id IS 'Constituency: the contract that serves the precinct';
COMMENT ON COLUMN metrics.precinct_current.region_code IS
    'Number of the commission''s region; 0 where the calls do not say it';
COMMENT ON COLUMN metrics.precinct_current.precinct IS 'Number of the precinct''s commission (UIK) in its region';
COMMENT ON COLUMN metrics.precinct_current.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.precinct_current.registered_voters IS
    'Voters on the electronic list now: listed and restored less removed; NULL where no addVotersList call names the precinct';
COMMENT ON COLUMN metrics.precinct_current.initial_voters IS
    'Voters of addVotersList calls of the hours before that of the opening; all of them where that is not known; NULL as '
    'registered_voters';
COMMENT ON COLUMN metrics.precinct_current.added_voters IS
    'Voters of addVotersList calls of later hours; NULL as registered_voters';
COMMENT ON COLUMN metrics.precinct_current.restored_voters IS
    'Voters of addToVotersList calls: they are in the electronic list again';
COMMENT ON COLUMN metrics.precinct_current.removed_voters IS
    'Voters of removeFromVotersList calls: they left the electronic list, in 2026 mostly to vote on paper';
COMMENT ON COLUMN metrics.precinct_current.issue_rate IS
    'Bulletins issued / registered voters * 100; NULL where the register is 0 or not known. More than 100 is possible: voters '
    'may be removed after a bulletin was issued to them';
COMMENT ON COLUMN metrics.precinct_current.last_hour IS 'Start of the last hour with a bulletin (UTC)';
COMMENT ON COLUMN metrics.precinct_current.published_bulletins IS
    'Bulletins of the precinct at the portal, when it was last asked; NULL where it does not say. It names no region: NULL '
    'too where the contract serves precincts of this number in several';
COMMENT ON COLUMN metrics.precinct_current.published_voters IS
    'Registered voters of the precinct at the portal, when it was last asked; NULL as published_bulletins';

ALTER TABLE ingest.registry_events ADD COLUMN IF NOT EXISTS names_precinct boolean;
COMMENT ON COLUMN ingest.registry_events.names_precinct IS
    'Whether the call names a precinct; NULL for calls that landed before this was looked at';
CREATE OR REPLACE VIEW ingest.standing_registry_events AS
SELECT DISTINCT ON (event.transaction_id) event.*
FROM ingest.registry_events AS event
LEFT JOIN ingest.lost_rows AS lost USING (transaction_id, content_id)
WHERE lost.transaction_id IS NULL
    AND EXISTS (
        SELECT 1 FROM ingest.transaction_files AS file
        WHERE file.content_id = event.content_id AND file.status = 'landed'
    )
    AND NOT EXISTS (
        SELECT 1 FROM ingest.corrections AS correction
        JOIN ingest.transaction_files AS file USING (content_id)
        WHERE correction.kind = 'rollback' AND correction.transaction_id = event.transaction_id
            AND file.status = 'landed'
    )
ORDER BY event.transaction_id, event.content_id;
COMMENT ON COLUMN ingest.standing_registry_events.names_precinct IS
    'Whether the call names a precinct; NULL for calls that landed before this was looked at';

-- Zips of the tables that observers exchange: counts, where there are no transactions of a contract.
ALTER TABLE ingest.transaction_files ADD COLUMN is_counts_only boolean DEFAULT false NOT NULL;
CREATE INDEX transaction_files_counts_only ON ingest.transaction_files (constituency_id) WHERE is_counts_only;
COMMENT ON COLUMN ingest.transaction_files.is_counts_only IS
    'Whether it is of a zip of tables: counts, which no transaction of the chain stands for';
