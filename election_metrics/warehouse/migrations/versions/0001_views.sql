-- The views as of the first release, and the sort key of names.

-- Each run of digits is padded to twenty digits, so that alphabetical order is numerical order, without a collation
-- that a server may lack.
CREATE FUNCTION metrics.natural_order(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT regexp_replace(
        regexp_replace(name, '([0-9]+)', repeat('0', 20) || '\1', 'g'), '[0-9]*([0-9]{20})', '\1', 'g'
    )
$$;
COMMENT ON FUNCTION metrics.natural_order IS
    'Sort key of names, so that numbers in them are in numeric order: №2 before №10';

-- The order is the rule. It is that of lake/sql/repeated_lines.sql, which chooses among the lines of one file.
CREATE VIEW ingest.judged_rows AS
SELECT
    conflict.*,
    dense_rank() OVER (
        PARTITION BY transaction_id
        ORDER BY
            occurred_ms, constituency_id COLLATE "C", kind COLLATE "C", operation COLLATE "C" NULLS LAST,
            quantity NULLS LAST, sender COLLATE "C" NULLS LAST, fail_reason COLLATE "C" NULLS LAST
    ) = 1 AS stands
FROM ingest.conflicting_rows AS conflict
WHERE EXISTS (
    SELECT 1 FROM ingest.transaction_files AS file
    WHERE file.content_id = conflict.content_id AND file.status = 'landed'
);
COMMENT ON VIEW ingest.judged_rows IS
    'Rows of current files whose transaction ids have rows that differ: the earliest counts, then by contract, kind, call, '
    'quantity, sender and failure';
COMMENT ON COLUMN ingest.judged_rows.stands IS 'Whether this row counts; every other row of the id is lost';

CREATE VIEW ingest.lost_rows AS
SELECT transaction_id, content_id
FROM ingest.judged_rows
WHERE place = 1 AND NOT stands;
COMMENT ON VIEW ingest.lost_rows IS 'Rows of the lake that another row of their transaction id outranks';

CREATE VIEW ingest.standing_registry_events AS
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
COMMENT ON VIEW ingest.standing_registry_events IS
    'Calls on the register or the state of voting that count: current, not withdrawn, each id once';

CREATE VIEW metrics.conflicting_transactions AS
SELECT DISTINCT
    judged.transaction_id,
    constituency.election_id,
    judged.constituency_id,
    to_timestamp(judged.occurred_ms / 1000.0) AS occurred_at,
    judged.kind,
    judged.operation,
    judged.quantity,
    judged.stands,
    rtrim(file.path || '/' || file.member, '/') AS file
FROM ingest.judged_rows AS judged
JOIN ingest.transaction_files AS file ON file.content_id = judged.content_id AND file.status = 'landed'
LEFT JOIN metrics.constituencies AS constituency ON constituency.constituency_id = judged.constituency_id
WHERE judged.transaction_id IN (SELECT transaction_id FROM ingest.judged_rows WHERE NOT stands);
COMMENT ON VIEW metrics.conflicting_transactions IS
    'Transaction ids with rows that differ in contract, time or content';
COMMENT ON COLUMN metrics.conflicting_transactions.transaction_id IS 'The transaction';
COMMENT ON COLUMN metrics.conflicting_transactions.election_id IS 'Election of the row''s constituency';
COMMENT ON COLUMN metrics.conflicting_transactions.constituency_id IS 'Constituency of the row';
COMMENT ON COLUMN metrics.conflicting_transactions.occurred_at IS 'Time stated by the row';
COMMENT ON COLUMN metrics.conflicting_transactions.kind IS 'Outcome of the call: vote_cast, bulletin_issued, …';
COMMENT ON COLUMN metrics.conflicting_transactions.operation IS 'Call of the contract';
COMMENT ON COLUMN metrics.conflicting_transactions.quantity IS 'Bulletins or voters stated by the row';
COMMENT ON COLUMN metrics.conflicting_transactions.stands IS
    'Whether the row is the one of its id that counts, in each file that holds it; if the id is withdrawn, none counts';
COMMENT ON COLUMN metrics.conflicting_transactions.file IS 'File that holds it, and member of an archive';

-- Of a path, its last two parts are shown: the folders above are the server's own.
CREATE VIEW metrics.input_notes AS
SELECT
    election_id, kind, files, lines, regexp_replace(example, '^.*/([^/]+/[^/]+)$', '\1') AS example, reason, since
FROM (
    SELECT
        election_id, 'withdrawn' AS kind, count(DISTINCT path) AS files, sum(rows)::bigint AS lines,
        min(rtrim(path || '/' || member, '/')) AS example, reason, withdrawn_at AS since
    FROM ingest.transaction_files LEFT JOIN metrics.constituencies USING (constituency_id)
    WHERE status = 'withdrawn'
    GROUP BY election_id, reason, withdrawn_at
    UNION ALL
    SELECT
        election_id, 'unreadable', count(DISTINCT path), NULL, min(rtrim(path || '/' || member, '/')), reason,
        min(seen_at)
    FROM ingest.transaction_files LEFT JOIN metrics.constituencies USING (constituency_id)
    WHERE status = 'unreadable'
    GROUP BY election_id, reason
    UNION ALL
    SELECT NULL, 'set_aside', count(*), NULL, min(path), reason, min(set_aside_at)
    FROM ingest.landing_attempts
    WHERE set_aside_at IS NOT NULL
    GROUP BY reason
    UNION ALL
    SELECT NULL, 'not_read', files, NULL, example, ending, seen_at
    FROM ingest.files_not_read
    WHERE may_be_exports
    UNION ALL
    SELECT election_id, 'quarantined', count(DISTINCT file), sum(lines)::bigint, min(example), rejected.reason, min(since)
    FROM (
        SELECT content_id, file, reason, count(*) AS lines, min(seen_at) AS since,
            file || ', line ' || min(line_number) AS example
        FROM ingest.rejected_transactions
        GROUP BY content_id, file, reason
    ) AS rejected
    JOIN LATERAL (
        SELECT constituency_id FROM ingest.transaction_files
        WHERE content_id = rejected.content_id AND status = 'landed' AND gone_at IS NULL
        LIMIT 1
    ) AS existing ON TRUE
    LEFT JOIN metrics.constituencies USING (constituency_id)
    GROUP BY election_id, rejected.reason
) AS notes;
COMMENT ON VIEW metrics.input_notes IS
    'What of the input does not count, and why: withdrawn by people, unreadable, set aside, of a kind that is not read, or '
    'lines in quarantine';
COMMENT ON COLUMN metrics.input_notes.election_id IS 'Election of the files; NULL where it is not known, or no longer there';
COMMENT ON COLUMN metrics.input_notes.kind IS 'withdrawn, unreadable, set_aside, not_read or quarantined';
COMMENT ON COLUMN metrics.input_notes.files IS 'Number of files';
COMMENT ON COLUMN metrics.input_notes.lines IS 'Number of lines; NULL where they are not known';
COMMENT ON COLUMN metrics.input_notes.example IS 'One of them';
COMMENT ON COLUMN metrics.input_notes.reason IS 'Why; of a kind that is not read, the file name extension';
COMMENT ON COLUMN metrics.input_notes.since IS 'Since when';

CREATE VIEW metrics.register_changes AS
SELECT
    constituency_id,
    occurred_at AS changed_at,
    operation,
    voters AS change,
    CASE WHEN sum(voters) OVER running >= 0 THEN sum(voters) OVER running END::bigint AS registered_voters,
    transaction_id
FROM ingest.standing_registry_events
WHERE voters IS NOT NULL
WINDOW running AS (PARTITION BY constituency_id ORDER BY occurred_at, transaction_id);
COMMENT ON VIEW metrics.register_changes IS 'Changes of the register of each constituency, from its transactions';
COMMENT ON COLUMN metrics.register_changes.changed_at IS 'When';
COMMENT ON COLUMN metrics.register_changes.operation IS 'addVotersList, addToVotersList or removeFromVotersList';
COMMENT ON COLUMN metrics.register_changes.change IS 'Voters added; negative if removed';
COMMENT ON COLUMN metrics.register_changes.registered_voters IS
    'Registered voters after it, from the transactions; a figure in a reference file overrides it everywhere else';
COMMENT ON COLUMN metrics.register_changes.transaction_id IS 'The transaction';

CREATE VIEW metrics.turnout_by_hour AS
SELECT
    election_id, hour, constituencies_active AS constituencies, bulletins_issued, votes_cast, running_bulletins,
    running_votes, registered_voters, participation_rate, running_participation_rate, last_transaction_at, computed_at
FROM metrics.election_hours;
COMMENT ON VIEW metrics.turnout_by_hour IS 'Each election by hour, with running totals and turnout';
COMMENT ON COLUMN metrics.turnout_by_hour.constituencies IS 'Constituencies with a transaction in the hour';

CREATE VIEW metrics.constituency_current AS
SELECT
    constituency.constituency_id,
    constituency.election_id,
    constituency.name,
    constituency.region_code,
    constituency.region,
    constituency.time_zone,
    constituency.starts_at,
    constituency.ends_at,
    constituency.registered_voters,
    metric.transaction_count,
    coalesce(metric.bulletins_issued, 0) AS bulletins_issued,
    coalesce(metric.votes_cast, 0) AS votes_cast,
    metric.participation_rate,
    metric.issue_rate,
    metric.gap,
    metric.gap_rate,
    metric.anomaly_count,
    metric.anomaly_score,
    metric.average_votes_per_hour,
    metric.vote_trend,
    metric.peak_hour,
    metric.peak_votes,
    metric.first_transaction_at,
    metric.last_transaction_at,
    coalesce(missing.hours_missing, 0) AS hours_missing,
    coalesce(finding.anomalies_open, 0) AS anomalies_open,
    metric.run_id,
    metric.computed_at
FROM metrics.constituencies AS constituency
LEFT JOIN metrics.constituency_metrics AS metric
    ON metric.constituency_id = constituency.constituency_id AND metric.period = 'election'
LEFT JOIN (
    SELECT constituency_id, sum(hours)::bigint AS hours_missing FROM metrics.missing_input GROUP BY constituency_id
) AS missing ON missing.constituency_id = constituency.constituency_id
LEFT JOIN (
    SELECT constituency_id, count(*) AS anomalies_open FROM metrics.anomalies
    WHERE state <> 'resolved' AND constituency_id IS NOT NULL GROUP BY constituency_id
) AS finding ON finding.constituency_id = constituency.constituency_id;
COMMENT ON VIEW metrics.constituency_current IS 'Current state of each constituency, including silent ones';
COMMENT ON COLUMN metrics.constituency_current.participation_rate IS
    'Votes cast / registered voters * 100; NULL where the register is 0 or not known';
COMMENT ON COLUMN metrics.constituency_current.vote_trend IS
    'Slope of the least-squares line through the votes of the voting hours, silent ones being 0: votes an hour per hour; '
    'NULL for fewer than two of them';
COMMENT ON COLUMN metrics.constituency_current.hours_missing IS 'Past hours of voting that no landed file covers';
COMMENT ON COLUMN metrics.constituency_current.anomalies_open IS 'Findings on the constituency that are open or acknowledged';

CREATE VIEW metrics.election_current AS
SELECT
    election.election_id,
    election.name,
    CASE
        WHEN election.ends_at <= now() THEN 'completed'
        WHEN election.starts_at > now() THEN 'scheduled'
        WHEN election.starts_at <= now() THEN 'active'
    END AS status,
    election.starts_at,
    election.ends_at,
    election.time_zone,
    summary.constituencies_total,
    summary.constituencies_reporting,
    summary.constituencies_silent,
    summary.constituencies_complete,
    summary.registered_voters,
    summary.bulletins_issued,
    summary.votes_cast,
    summary.participation_rate,
    summary.issue_rate,
    summary.gap,
    summary.gap_rate,
    summary.coverage,
    summary.rejected_lines,
    summary.anomalies_critical,
    summary.anomalies_warning,
    summary.anomalies_info,
    summary.peak_hour,
    summary.peak_votes,
    summary.last_transaction_at,
    CASE WHEN summary.last_transaction_at <= now() THEN now() - summary.last_transaction_at END AS age,
    summary.run_id,
    summary.computed_at
FROM metrics.elections AS election
LEFT JOIN metrics.election_summaries AS summary USING (election_id);
COMMENT ON VIEW metrics.election_current IS
    'Current state of each election: the summary, its status and the age of its figures';
COMMENT ON COLUMN metrics.election_current.status IS 'scheduled, active or completed at this moment; NULL where not known';
COMMENT ON COLUMN metrics.election_current.age IS
    'Time since the last transaction that counts; NULL where that is ahead of the clock';

-- A column of a view that has its source's name has its meaning too: that of the first source that has it.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT DISTINCT ON (field.attrelid, field.attnum)
            pair.view_name, field.attname, col_description(origin.attrelid, origin.attnum) AS meaning
        FROM (VALUES
            ('ingest.judged_rows', 'ingest.conflicting_rows', 1),
            ('ingest.lost_rows', 'ingest.conflicting_rows', 1),
            ('ingest.standing_registry_events', 'ingest.registry_events', 1),
            ('metrics.turnout_by_hour', 'metrics.election_hours', 1),
            ('metrics.constituency_current', 'metrics.constituencies', 1),
            ('metrics.constituency_current', 'metrics.constituency_metrics', 2),
            ('metrics.election_current', 'metrics.elections', 1),
            ('metrics.election_current', 'metrics.election_summaries', 2),
            ('metrics.register_changes', 'ingest.registry_events', 1)
        ) AS pair (view_name, source_name, rank)
        JOIN pg_attribute AS field ON field.attrelid = pair.view_name::regclass AND field.attnum > 0
        JOIN pg_attribute AS origin
            ON origin.attrelid = pair.source_name::regclass AND origin.attname = field.attname AND origin.attnum > 0
        WHERE col_description(field.attrelid, field.attnum) IS NULL
        ORDER BY field.attrelid, field.attnum, pair.rank
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', found.view_name, found.attname, found.meaning);
    END LOOP;
END $$;
