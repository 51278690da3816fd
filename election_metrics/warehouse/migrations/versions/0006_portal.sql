-- The portal's own registry and counts, as published, and their agreement with what is counted here.

CREATE TABLE metrics.portal_contracts (
    constituency_id text NOT NULL,
    election_key text,
    election text,
    region_code text,
    region text,
    district_number text,
    district text,
    commission text,
    offset_hours double precision,
    kind text,
    status text,
    has_results boolean,
    starts_at timestamptz,
    ends_at timestamptz,
    accepted_until timestamptz,
    seen_at timestamptz NOT NULL,
    gone_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_contracts_pkey PRIMARY KEY (constituency_id)
);

CREATE TABLE metrics.portal_counters (
    constituency_id text NOT NULL,
    collected_at timestamptz NOT NULL,
    collection_time text,
    registered_voters bigint,
    bulletins_issued bigint,
    votes_cast bigint,
    superseded_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_counters_pkey PRIMARY KEY (constituency_id, collected_at)
);
CREATE UNIQUE INDEX portal_counters_current ON metrics.portal_counters (constituency_id) WHERE superseded_at IS NULL;

CREATE TABLE metrics.portal_hours (
    constituency_id text NOT NULL,
    label text NOT NULL,
    collected_at timestamptz NOT NULL,
    ends_at timestamptz,
    bulletins bigint,
    votes bigint,
    bulletins_total bigint,
    votes_total bigint,
    seen_at timestamptz NOT NULL,
    superseded_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_hours_pkey PRIMARY KEY (constituency_id, label, collected_at)
);
CREATE UNIQUE INDEX portal_hours_current ON metrics.portal_hours (constituency_id, label) WHERE superseded_at IS NULL;

CREATE TABLE metrics.portal_precincts (
    constituency_id text NOT NULL,
    precinct text NOT NULL,
    collected_at timestamptz NOT NULL,
    collection_time text,
    registered_voters bigint,
    bulletins_issued bigint,
    superseded_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_precincts_pkey PRIMARY KEY (constituency_id, precinct, collected_at)
);
CREATE UNIQUE INDEX portal_precincts_current ON metrics.portal_precincts (constituency_id, precinct)
    WHERE superseded_at IS NULL;

CREATE TABLE metrics.portal_results (
    constituency_id text NOT NULL,
    position bigint NOT NULL,
    collected_at timestamptz NOT NULL,
    name text,
    votes bigint NOT NULL,
    superseded_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_results_pkey PRIMARY KEY (constituency_id, position, collected_at)
);
CREATE UNIQUE INDEX portal_results_current ON metrics.portal_results (constituency_id, position)
    WHERE superseded_at IS NULL;
COMMENT ON TABLE metrics.portal_results IS 'The portal''s results, with names. It holds figures as published; a row ends when the portal publishes others for the same option';
COMMENT ON COLUMN metrics.portal_results.constituency_id IS 'Contract';
COMMENT ON COLUMN metrics.portal_results.position IS 'Place of the option in the portal''s list, from 1';
COMMENT ON COLUMN metrics.portal_results.collected_at IS 'When these figures were first collected';
COMMENT ON COLUMN metrics.portal_results.name IS 'Name of the option: a candidate, a list';
COMMENT ON COLUMN metrics.portal_results.votes IS 'Votes for it';
COMMENT ON COLUMN metrics.portal_results.superseded_at IS 'When the portal was first seen to publish other figures; NULL: these are current';
COMMENT ON COLUMN metrics.portal_results.run_id IS 'Dagster run';

CREATE TABLE ingest.portal_charts (
    constituency_id text NOT NULL,
    asked_at timestamptz NOT NULL,
    has text NOT NULL,
    precincts_at timestamptz,
    results_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT portal_charts_pkey PRIMARY KEY (constituency_id),
    CONSTRAINT portal_charts_has_check CHECK (has IN ('published', 'no_such_contract', 'unknown_time_zone'))
);

CREATE TABLE ingest.portal_answers (
    path text NOT NULL,
    etag text,
    last_modified text,
    answer text NOT NULL,
    CONSTRAINT portal_answers_pkey PRIMARY KEY (path)
);

COMMENT ON TABLE metrics.portal_contracts IS 'Contracts as the portal lists them, if the setting PORTAL_URL names one';
COMMENT ON COLUMN metrics.portal_contracts.constituency_id IS 'Contract';
COMMENT ON COLUMN metrics.portal_contracts.election_key IS 'The portal''s id of the election';
COMMENT ON COLUMN metrics.portal_contracts.election IS 'Election; NULL: the portal does not say, as in the others';
COMMENT ON COLUMN metrics.portal_contracts.region_code IS 'Code of the region';
COMMENT ON COLUMN metrics.portal_contracts.region IS 'Region';
COMMENT ON COLUMN metrics.portal_contracts.district_number IS 'Number of the district';
COMMENT ON COLUMN metrics.portal_contracts.district IS 'District';
COMMENT ON COLUMN metrics.portal_contracts.commission IS 'Territorial commission';
COMMENT ON COLUMN metrics.portal_contracts.offset_hours IS 'Hours that local time is ahead of Moscow';
COMMENT ON COLUMN metrics.portal_contracts.kind IS 'SINGLE: a vote for a candidate; UNION: for a list of a party. A voter has one of each';
COMMENT ON COLUMN metrics.portal_contracts.status IS 'Status of the voting, as the portal writes it';
COMMENT ON COLUMN metrics.portal_contracts.has_results IS 'Whether the portal says that it has a result';
COMMENT ON COLUMN metrics.portal_contracts.starts_at IS 'Start of voting';
COMMENT ON COLUMN metrics.portal_contracts.ends_at IS 'End of voting';
COMMENT ON COLUMN metrics.portal_contracts.accepted_until IS 'Until when votes are accepted';
COMMENT ON COLUMN metrics.portal_contracts.seen_at IS 'When the portal listed the contract last';
COMMENT ON COLUMN metrics.portal_contracts.gone_at IS 'When the portal was first seen not to list it any more; NULL: it does';
COMMENT ON COLUMN metrics.portal_contracts.run_id IS 'Dagster run';
COMMENT ON TABLE metrics.portal_counters IS 'The portal''s counters of each contract. It holds figures as published; a row ends when the portal publishes others for the same contract';
COMMENT ON COLUMN metrics.portal_counters.constituency_id IS 'Contract';
COMMENT ON COLUMN metrics.portal_counters.collected_at IS 'When these figures were first collected';
COMMENT ON COLUMN metrics.portal_counters.collection_time IS 'Time of collection as the portal writes it, in a zone that it does not state';
COMMENT ON COLUMN metrics.portal_counters.registered_voters IS 'Registered voters';
COMMENT ON COLUMN metrics.portal_counters.bulletins_issued IS 'Bulletins issued so far';
COMMENT ON COLUMN metrics.portal_counters.votes_cast IS 'Votes cast so far';
COMMENT ON COLUMN metrics.portal_counters.superseded_at IS 'When the portal was first seen to publish other figures; NULL: these are current';
COMMENT ON COLUMN metrics.portal_counters.run_id IS 'Dagster run';
COMMENT ON TABLE metrics.portal_hours IS 'The portal''s hourly counts of each contract. It holds figures as published; a row ends when the portal publishes others for the same hour';
COMMENT ON COLUMN metrics.portal_hours.constituency_id IS 'Contract';
COMMENT ON COLUMN metrics.portal_hours.label IS 'The hour as the portal labels it: its end, local time';
COMMENT ON COLUMN metrics.portal_hours.collected_at IS 'When these figures were first collected';
COMMENT ON COLUMN metrics.portal_hours.ends_at IS 'End of the hour; NULL: the portal does not say the contract''s time zone';
COMMENT ON COLUMN metrics.portal_hours.bulletins IS 'Bulletins issued in the hour; NULL: taken back';
COMMENT ON COLUMN metrics.portal_hours.votes IS 'Votes cast in the hour; NULL: taken back';
COMMENT ON COLUMN metrics.portal_hours.bulletins_total IS 'Bulletins issued until its end; NULL: taken back';
COMMENT ON COLUMN metrics.portal_hours.votes_total IS 'Votes cast until its end; NULL: taken back';
COMMENT ON COLUMN metrics.portal_hours.seen_at IS 'When they were collected last, within five minutes of the hour''s end; then not recorded again';
COMMENT ON COLUMN metrics.portal_hours.superseded_at IS 'When the portal was first seen to publish other figures; NULL: these are current';
COMMENT ON COLUMN metrics.portal_hours.run_id IS 'Dagster run';
COMMENT ON TABLE metrics.portal_precincts IS 'The portal''s counters of each precinct. It holds figures as published; a row ends when the portal publishes others for the same precinct';
COMMENT ON COLUMN metrics.portal_precincts.constituency_id IS 'Contract';
COMMENT ON COLUMN metrics.portal_precincts.precinct IS 'Number of the precinct (UIK)';
COMMENT ON COLUMN metrics.portal_precincts.collected_at IS 'When these figures were first collected';
COMMENT ON COLUMN metrics.portal_precincts.collection_time IS 'Time of collection as the portal writes it';
COMMENT ON COLUMN metrics.portal_precincts.registered_voters IS 'Registered voters';
COMMENT ON COLUMN metrics.portal_precincts.bulletins_issued IS 'Bulletins issued so far';
COMMENT ON COLUMN metrics.portal_precincts.superseded_at IS 'When the portal was first seen to publish other figures; NULL: these are current';
COMMENT ON COLUMN metrics.portal_precincts.run_id IS 'Dagster run';
COMMENT ON TABLE ingest.portal_charts IS 'Contracts of which the portal was asked for hourly counts';
COMMENT ON COLUMN ingest.portal_charts.constituency_id IS 'Contract';
COMMENT ON COLUMN ingest.portal_charts.asked_at IS 'When the portal was asked last for its hourly counts';
COMMENT ON COLUMN ingest.portal_charts.has IS 'What it has: published, no_such_contract or unknown_time_zone';
COMMENT ON COLUMN ingest.portal_charts.precincts_at IS 'When its precincts were collected last';
COMMENT ON COLUMN ingest.portal_charts.results_at IS 'When its result was collected last';
COMMENT ON COLUMN ingest.portal_charts.run_id IS 'Dagster run';
COMMENT ON TABLE ingest.portal_answers IS 'Answers of the portal that it can confirm instead of sending them again';
COMMENT ON COLUMN ingest.portal_answers.path IS 'What was asked';
COMMENT ON COLUMN ingest.portal_answers.etag IS 'Its ETag';
COMMENT ON COLUMN ingest.portal_answers.last_modified IS 'Its Last-Modified';
COMMENT ON COLUMN ingest.portal_answers.answer IS 'The answer';

-- A row for each hour that either side has. The portal's counts settle five minutes after the hour. Input that is up to
-- half an hour late is on its way, and no difference.
CREATE VIEW metrics.portal_agreement AS
WITH published AS (
    SELECT constituency_id, ends_at - interval '1 hour' AS hour, ends_at, label, bulletins, votes, bulletins_total,
        votes_total, seen_at, collected_at,
        ends_at = date_trunc('hour', ends_at, 'UTC') AS is_hour,
        -- A point after another one within the same hour is of less than an hour: only its totals can be compared.
        coalesce(
            lag(ends_at) OVER (PARTITION BY constituency_id ORDER BY ends_at) <= ends_at - interval '1 hour', TRUE
        ) AS is_whole
    FROM metrics.portal_hours
    WHERE superseded_at IS NULL
), counted AS (
    SELECT constituency_id, hour, bulletins_issued, votes_cast
    FROM metrics.hourly_stats
    -- Where no portal was ever asked, nothing is read.
    WHERE (bulletins_issued > 0 OR votes_cast > 0) AND EXISTS (SELECT 1 FROM ingest.portal_charts)
), joined AS (
    -- By merged columns, so that a constituency is found by its index on either side.
    SELECT constituency_id, hour, published.label, published.ends_at, published.seen_at, published.collected_at,
        published.is_hour, published.is_whole, published.bulletins, published.votes, published.bulletins_total, published.votes_total,
        coalesce(counted.bulletins_issued, 0) AS bulletins_issued, coalesce(counted.votes_cast, 0) AS votes_cast,
        counted.constituency_id IS NOT NULL AS is_counted
    FROM published FULL JOIN counted USING (constituency_id, hour)
), running AS (
    SELECT *,
        sum(bulletins_issued::integer) OVER hours_so_far - bulletins_total AS bulletins_ahead,
        sum(votes_cast::integer) OVER hours_so_far - votes_total AS votes_ahead
    FROM joined
    WINDOW hours_so_far AS (PARTITION BY constituency_id ORDER BY hour)
), both_counts AS (
    -- By how much more (or less) was counted than published since the point before: by its totals, which also hold what
    -- lies before the first point and between points.
    SELECT *,
        bulletins_ahead - coalesce(lag(bulletins_ahead) OVER points, 0) AS bulletins_more,
        votes_ahead - coalesce(lag(votes_ahead) OVER points, 0) AS votes_more
    FROM running
    WINDOW points AS (PARTITION BY constituency_id, is_hour AND bulletins_total IS NOT NULL ORDER BY hour)
), asked AS (
    SELECT constituency.election_id, constituency.region, constituency.constituency_id, chart.has, chart.asked_at
    FROM ingest.portal_charts AS chart JOIN metrics.constituencies AS constituency USING (constituency_id)
)
SELECT
    asked.election_id,
    asked.region,
    asked.constituency_id,
    both_counts.hour,
    both_counts.label,
    -- Of another span, or of no known one, nothing is counted here.
    CASE WHEN both_counts.hour IS NOT NULL AND is_hour IS NOT FALSE THEN both_counts.bulletins_issued END
        AS counted_bulletins,
    both_counts.bulletins AS published_bulletins,
    CASE WHEN both_counts.hour IS NOT NULL AND is_hour IS NOT FALSE THEN both_counts.votes_cast END AS counted_votes,
    both_counts.votes AS published_votes,
    CASE
        WHEN is_hour AND (bulletins_issued = bulletins OR NOT is_whole) THEN bulletins_more
        WHEN is_hour THEN bulletins_issued - bulletins
    END AS bulletins_difference,
    CASE
        WHEN is_hour AND (votes_cast = votes OR NOT is_whole) THEN votes_more
        WHEN is_hour THEN votes_cast - votes
    END AS votes_difference,
    CASE
        WHEN both_counts.label IS NOT NULL AND both_counts.hour IS NULL THEN 'unknown_time_zone'
        WHEN both_counts.label IS NOT NULL AND both_counts.bulletins IS NULL THEN 'taken_back'
        WHEN asked.has <> 'published' THEN asked.has
        WHEN both_counts.label IS NULL AND asked.asked_at < both_counts.hour + interval '65 minutes' THEN 'not_collected'
        WHEN both_counts.label IS NULL THEN 'not_published'
        WHEN NOT both_counts.is_hour THEN 'not_an_hour'
        WHEN bulletins_more = 0 AND votes_more = 0 AND (
            NOT is_whole OR bulletins_issued = both_counts.bulletins AND votes_cast = both_counts.votes
        ) THEN 'agrees'
        WHEN both_counts.seen_at < both_counts.ends_at + interval '5 minutes' THEN 'not_settled'
        WHEN version.landed_version > version.computed_version THEN 'not_settled'
        WHEN missing.constituency_id IS NOT NULL AND now() < both_counts.ends_at + interval '30 minutes'
            THEN 'not_settled'
        ELSE 'differs'
    END AS status,
    missing.constituency_id IS NULL AS is_delivered,
    both_counts.collected_at AS published_since
FROM both_counts
JOIN asked USING (constituency_id)
LEFT JOIN ingest.hour_versions AS version
    ON version.hour_number = (extract(epoch FROM both_counts.hour) / 3600)::bigint AND both_counts.is_hour
LEFT JOIN metrics.missing_input AS missing ON missing.constituency_id = both_counts.constituency_id
    AND both_counts.hour >= missing.missing_from AND both_counts.hour < missing.missing_to
WHERE is_counted OR both_counts.bulletins > 0 OR both_counts.votes > 0
    OR both_counts.hour IS NOT NULL AND (bulletins_more <> 0 OR votes_more <> 0)
    OR both_counts.label IS NOT NULL AND both_counts.bulletins IS NULL;

CREATE VIEW metrics.portal_agreement_summary AS
SELECT
    election_id,
    CASE WHEN grouping(constituency_id) = 0 THEN 'constituency' WHEN grouping(region) = 0 THEN 'region' ELSE 'election' END
        AS level,
    region,
    constituency_id,
    count(*) FILTER (WHERE status = 'agrees') AS hours_agreeing,
    count(*) FILTER (WHERE status IN ('differs', 'taken_back')) AS hours_differing,
    count(counted_votes) FILTER (WHERE status NOT IN ('agrees', 'differs', 'taken_back')) AS hours_not_compared,
    count(DISTINCT constituency_id) FILTER (WHERE status IN ('differs', 'taken_back')) AS constituencies_differing,
    count(DISTINCT constituency_id) FILTER (WHERE status = 'no_such_contract') AS constituencies_not_there,
    coalesce(sum(counted_bulletins) FILTER (WHERE status IN ('agrees', 'differs')), 0)::bigint AS counted_bulletins,
    coalesce(sum(published_bulletins) FILTER (WHERE status IN ('agrees', 'differs')), 0)::bigint AS published_bulletins,
    coalesce(sum(counted_votes) FILTER (WHERE status IN ('agrees', 'differs')), 0)::bigint AS counted_votes,
    coalesce(sum(published_votes) FILTER (WHERE status IN ('agrees', 'differs')), 0)::bigint AS published_votes,
    CASE
        WHEN count(*) FILTER (WHERE status IN ('differs', 'taken_back')) > 0 THEN 'differs'
        WHEN count(*) FILTER (WHERE status = 'agrees') > 0 THEN 'agrees'
        ELSE min(status)
    END AS status,
    min(hour) FILTER (WHERE status IN ('differs', 'taken_back')) AS differs_from,
    max(hour) FILTER (WHERE status IN ('differs', 'taken_back')) + interval '1 hour' AS differs_until,
    max(hour) FILTER (WHERE status IN ('agrees', 'differs')) + interval '1 hour' AS compared_until
FROM metrics.portal_agreement
GROUP BY GROUPING SETS ((election_id), (election_id, region), (election_id, region, constituency_id));

COMMENT ON VIEW metrics.portal_agreement IS 'The second count: bulletins and votes of each constituency hour, counted here and published by the portal';
COMMENT ON COLUMN metrics.portal_agreement.election_id IS 'Election';
COMMENT ON COLUMN metrics.portal_agreement.region IS 'Region';
COMMENT ON COLUMN metrics.portal_agreement.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.portal_agreement.hour IS 'Start of the hour (UTC); NULL: the portal does not say the time zone of its hour';
COMMENT ON COLUMN metrics.portal_agreement.label IS 'The hour as the portal labels it: its end, local time';
COMMENT ON COLUMN metrics.portal_agreement.counted_bulletins IS 'Bulletins issued, counted here; NULL where the published point is of no full hour, or of no known one';
COMMENT ON COLUMN metrics.portal_agreement.published_bulletins IS 'Bulletins issued, published by the portal; NULL: not published';
COMMENT ON COLUMN metrics.portal_agreement.counted_votes IS 'Votes cast, counted here; NULL as counted_bulletins';
COMMENT ON COLUMN metrics.portal_agreement.published_votes IS 'Votes cast, published by the portal; NULL: not published';
COMMENT ON COLUMN metrics.portal_agreement.bulletins_difference IS 'counted - published bulletins: of the hour; where these are equal, of the time since the point before, by the published totals. NULL where they are not of one hour';
COMMENT ON COLUMN metrics.portal_agreement.votes_difference IS 'counted - published votes, as bulletins_difference';
COMMENT ON COLUMN metrics.portal_agreement.status IS
    'agrees, differs, not_collected (since the hour), not_published (when last collected), taken_back (published before), not_settled (seen within five minutes of the hour, or input on its way here), not_an_hour (the published point is of another span), no_such_contract, unknown_time_zone';
COMMENT ON COLUMN metrics.portal_agreement.is_delivered IS 'Whether the hour''s input arrived here; where not, a difference first means missing input';
COMMENT ON COLUMN metrics.portal_agreement.published_since IS 'When these figures of the portal were first collected';
COMMENT ON VIEW metrics.portal_agreement_summary IS
    'The second count by election, region and constituency. Sums are of the hours that were compared';
COMMENT ON COLUMN metrics.portal_agreement_summary.election_id IS 'Election';
COMMENT ON COLUMN metrics.portal_agreement_summary.level IS 'election, region or constituency: never add rows of several levels';
COMMENT ON COLUMN metrics.portal_agreement_summary.region IS 'Region; NULL for the whole election, and where it is not known';
COMMENT ON COLUMN metrics.portal_agreement_summary.constituency_id IS 'Constituency; NULL for regions and the whole election';
COMMENT ON COLUMN metrics.portal_agreement_summary.hours_agreeing IS 'Constituency hours with ballots of which both counts are equal';
COMMENT ON COLUMN metrics.portal_agreement_summary.hours_differing IS 'Constituency hours of which they differ, or which the portal took back';
COMMENT ON COLUMN metrics.portal_agreement_summary.hours_not_compared IS 'Constituency hours that cannot be compared, or not yet';
COMMENT ON COLUMN metrics.portal_agreement_summary.constituencies_differing IS 'Constituencies with hours that differ';
COMMENT ON COLUMN metrics.portal_agreement_summary.constituencies_not_there IS 'Constituencies that the portal does not have';
COMMENT ON COLUMN metrics.portal_agreement_summary.counted_bulletins IS 'Bulletins issued in the compared hours, counted here';
COMMENT ON COLUMN metrics.portal_agreement_summary.published_bulletins IS 'The same, published by the portal';
COMMENT ON COLUMN metrics.portal_agreement_summary.counted_votes IS 'Votes cast in the compared hours, counted here';
COMMENT ON COLUMN metrics.portal_agreement_summary.published_votes IS 'The same, published by the portal';
COMMENT ON COLUMN metrics.portal_agreement_summary.status IS 'differs if any hour does, else agrees if any does, else why none was compared';
COMMENT ON COLUMN metrics.portal_agreement_summary.differs_from IS 'First hour that differs (UTC)';
COMMENT ON COLUMN metrics.portal_agreement_summary.differs_until IS 'End of the last hour that differs (UTC)';
COMMENT ON COLUMN metrics.portal_agreement_summary.compared_until IS 'End of the last hour that was compared (UTC): agreement says nothing about later ones';

-- A voter has a ballot of each kind: registers of both kinds together are ballots, not persons.
CREATE VIEW metrics.election_kinds AS
SELECT
    constituency.election_id,
    coalesce(contract.kind, 'unknown') AS kind,
    count(*) AS constituencies,
    CASE WHEN count(constituency.registered_voters) = count(*) THEN sum(constituency.registered_voters)::bigint END
        AS registered_voters,
    coalesce(sum(metric.bulletins_issued), 0)::bigint AS bulletins_issued,
    coalesce(sum(metric.votes_cast), 0)::bigint AS votes_cast,
    CASE WHEN count(constituency.registered_voters) = count(*) THEN round(
        coalesce(sum(metric.votes_cast), 0) * 100.0 / nullif(sum(constituency.registered_voters), 0), 4
    )::double precision END AS participation_rate
FROM metrics.constituencies AS constituency
LEFT JOIN metrics.portal_contracts AS contract USING (constituency_id)
LEFT JOIN metrics.constituency_metrics AS metric
    ON metric.constituency_id = constituency.constituency_id AND metric.period = 'election'
GROUP BY constituency.election_id, coalesce(contract.kind, 'unknown');
COMMENT ON VIEW metrics.election_kinds IS
    'Elections by kind of ballot. A voter has a ballot of each kind: the registers of one kind are voters, of all kinds together ballots';
COMMENT ON COLUMN metrics.election_kinds.election_id IS 'Election';
COMMENT ON COLUMN metrics.election_kinds.kind IS 'SINGLE: a vote for a candidate; UNION: for a list of a party; unknown: the portal does not say';
COMMENT ON COLUMN metrics.election_kinds.constituencies IS 'Constituencies of this kind';
COMMENT ON COLUMN metrics.election_kinds.registered_voters IS 'Registered voters of this kind; NULL where a register is not known';
COMMENT ON COLUMN metrics.election_kinds.bulletins_issued IS 'Bulletins issued';
COMMENT ON COLUMN metrics.election_kinds.votes_cast IS 'Votes cast';
COMMENT ON COLUMN metrics.election_kinds.participation_rate IS 'Votes cast / registered voters of this kind * 100';

-- Published tallies, beside the accepted votes.
CREATE TABLE ingest.contract_statements (
    transaction_id text NOT NULL,
    content_id bigint NOT NULL,
    tally jsonb,
    dimension jsonb,
    CONSTRAINT contract_statements_pkey PRIMARY KEY (transaction_id, content_id)
);
COMMENT ON TABLE ingest.contract_statements IS 'What contracts say of their ballots when they are created, and of their votes in the end';
COMMENT ON COLUMN ingest.contract_statements.transaction_id IS 'Transaction, as in registry_events';
COMMENT ON COLUMN ingest.contract_statements.content_id IS 'Content that holds it';
COMMENT ON COLUMN ingest.contract_statements.tally IS 'Votes by option of each question; or unreadable: the text. NULL: it publishes none';
COMMENT ON COLUMN ingest.contract_statements.dimension IS 'Fewest and most options that a ballot marks, and options, by question';

-- Statements that count, by the same conditions as ingest.standing_registry_events: that view can be asked for all
-- constituencies only, this one for each by its index.
CREATE VIEW ingest.standing_statements AS
SELECT event.constituency_id, event.transaction_id, event.occurred_at, statement.tally, statement.dimension
FROM ingest.contract_statements AS statement
JOIN ingest.registry_events AS event USING (transaction_id, content_id)
WHERE EXISTS (
        SELECT 1 FROM ingest.transaction_files AS file
        WHERE file.content_id = event.content_id AND file.status = 'landed'
    )
    AND NOT EXISTS (
        SELECT 1 FROM ingest.lost_rows AS lost
        WHERE lost.transaction_id = event.transaction_id AND lost.content_id = event.content_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM ingest.corrections AS correction
        JOIN ingest.transaction_files AS file USING (content_id)
        WHERE correction.kind = 'rollback' AND correction.transaction_id = event.transaction_id
            AND file.status = 'landed'
    );
COMMENT ON VIEW ingest.standing_statements IS 'What contracts say, of calls that count: current and not withdrawn';
COMMENT ON COLUMN ingest.standing_statements.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.standing_statements.transaction_id IS 'Call that says it';
COMMENT ON COLUMN ingest.standing_statements.occurred_at IS 'When';
COMMENT ON COLUMN ingest.standing_statements.tally IS 'Votes by option of each question; or unreadable: the text';
COMMENT ON COLUMN ingest.standing_statements.dimension IS 'Fewest and most options that a ballot marks, and options, by question';

-- The newest tally of each contract, once its voting is over.
CREATE VIEW ingest.standing_tallies AS
SELECT DISTINCT ON (statement.constituency_id)
    constituency.election_id, statement.constituency_id, statement.transaction_id, statement.occurred_at, statement.tally
FROM ingest.standing_statements AS statement
JOIN metrics.constituencies AS constituency USING (constituency_id)
WHERE statement.tally IS NOT NULL AND (constituency.ends_at IS NULL OR constituency.ends_at <= now())
ORDER BY statement.constituency_id, statement.occurred_at DESC, statement.transaction_id DESC;

CREATE VIEW metrics.published_tallies AS
SELECT
    standing.election_id,
    standing.constituency_id,
    question.number AS question,
    option.number AS option,
    result.name,
    option.votes::text::bigint AS votes,
    standing.occurred_at AS published_at,
    standing.transaction_id
FROM ingest.standing_tallies AS standing
CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN jsonb_typeof(standing.tally) = 'array' THEN standing.tally ELSE '[]' END
) WITH ORDINALITY AS question (options, number)
CROSS JOIN LATERAL jsonb_array_elements(question.options) WITH ORDINALITY AS option (votes, number)
LEFT JOIN metrics.portal_results AS result
    ON result.constituency_id = standing.constituency_id AND result.position = option.number
    AND result.votes = option.votes::text::bigint AND question.number = 1 AND result.superseded_at IS NULL;

CREATE VIEW metrics.tally_checks AS
WITH creation AS (
    SELECT DISTINCT ON (constituency_id) constituency_id, dimension
    FROM ingest.standing_statements
    WHERE dimension IS NOT NULL
    ORDER BY constituency_id, occurred_at DESC, transaction_id DESC
), said AS (
    SELECT standing.*, creation.dimension, result.portal_votes, coalesce(metric.votes_cast, 0) AS votes_cast
    FROM ingest.standing_tallies AS standing
    LEFT JOIN creation USING (constituency_id)
    LEFT JOIN (
        SELECT constituency_id, jsonb_agg(votes ORDER BY position) AS portal_votes
        FROM metrics.portal_results WHERE superseded_at IS NULL GROUP BY constituency_id
    ) AS result USING (constituency_id)
    LEFT JOIN metrics.constituency_metrics AS metric
        ON metric.constituency_id = standing.constituency_id AND metric.period = 'election'
), questions AS (
    SELECT said.*, question.number AS question, question.options,
        (SELECT sum(votes::text::bigint) FROM jsonb_array_elements(question.options) AS votes)::bigint AS tally_sum,
        jsonb_array_length(question.options)::bigint AS options_published,
        said.dimension -> (question.number::int - 1) AS limits
    FROM said
    CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(said.tally) = 'array' THEN said.tally ELSE '[[]]' END)
        WITH ORDINALITY AS question (options, number)
), limited AS (
    SELECT *, coalesce((limits ->> 0)::bigint, 1) AS fewest, coalesce((limits ->> 1)::bigint, 1) AS most FROM questions
)
SELECT
    election_id,
    constituency_id,
    question,
    votes_cast,
    CASE WHEN jsonb_typeof(tally) = 'array' THEN tally_sum END AS tally_sum,
    fewest * votes_cast AS lowest_sum,
    most * votes_cast AS highest_sum,
    CASE
        WHEN jsonb_typeof(tally) <> 'array' THEN 'unreadable'
        WHEN tally_sum NOT BETWEEN fewest * votes_cast AND most * votes_cast THEN 'differs'
        WHEN (limits ->> 2)::bigint <> options_published THEN 'differs'
        WHEN question = 1 AND portal_votes <> options THEN 'portal_differs'
        ELSE 'agrees'
    END AS status,
    occurred_at AS published_at,
    transaction_id
FROM limited;
COMMENT ON VIEW ingest.standing_tallies IS 'The newest published tally of each contract whose voting is over';
COMMENT ON COLUMN ingest.standing_tallies.election_id IS 'Election';
COMMENT ON COLUMN ingest.standing_tallies.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.standing_tallies.transaction_id IS 'Call that published it';
COMMENT ON COLUMN ingest.standing_tallies.occurred_at IS 'When';
COMMENT ON COLUMN ingest.standing_tallies.tally IS 'Votes by option of each question; or unreadable: the text';
COMMENT ON VIEW metrics.published_tallies IS 'Votes by option, as the contract published them when voting was over';
COMMENT ON COLUMN metrics.published_tallies.election_id IS 'Election';
COMMENT ON COLUMN metrics.published_tallies.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.published_tallies.question IS 'Number of the question on the ballot, from 1';
COMMENT ON COLUMN metrics.published_tallies.option IS 'Number of the option (candidate, list), from 1';
COMMENT ON COLUMN metrics.published_tallies.name IS 'Name of the option at the portal, where it has the same votes in the same place (of the first question)';
COMMENT ON COLUMN metrics.published_tallies.votes IS 'Votes for it';
COMMENT ON COLUMN metrics.published_tallies.published_at IS 'When the tally was published';
COMMENT ON COLUMN metrics.published_tallies.transaction_id IS 'Call that published it';
COMMENT ON VIEW metrics.tally_checks IS
    'Whether the sum of each published tally fits the accepted votes: equal, or between the fewest and the most options of a ballot times votes';
COMMENT ON COLUMN metrics.tally_checks.election_id IS 'Election';
COMMENT ON COLUMN metrics.tally_checks.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.tally_checks.question IS 'Number of the question on the ballot, from 1';
COMMENT ON COLUMN metrics.tally_checks.votes_cast IS 'Accepted votes, one of each voter key';
COMMENT ON COLUMN metrics.tally_checks.tally_sum IS 'Sum of the tally over the options; NULL where it cannot be read';
COMMENT ON COLUMN metrics.tally_checks.lowest_sum IS 'Least sum that fits: the fewest options of a ballot times votes; equal votes where the contract does not say';
COMMENT ON COLUMN metrics.tally_checks.highest_sum IS 'Greatest sum that fits: the most options of a ballot times votes';
COMMENT ON COLUMN metrics.tally_checks.status IS 'agrees, differs (also where the contract has another number of options), portal_differs (the portal published other votes for the first question), or unreadable';
COMMENT ON COLUMN metrics.tally_checks.published_at IS 'When the tally was published';
COMMENT ON COLUMN metrics.tally_checks.transaction_id IS 'Call that published it';
