-- What was said stays: every replaced or removed row of the public tables is kept, with the commits in which it came and went.

CREATE SCHEMA history;
COMMENT ON SCHEMA history IS 'Rows of schema metrics that were replaced or removed, with the time for which they stood';
CREATE SCHEMA as_of;
COMMENT ON SCHEMA as_of IS
    'The tables of schema metrics as they were known at a moment: SET election_metrics.as_of = ''2026-09-18T14:00Z''';

CREATE TABLE history.commits (
    commit_number bigint NOT NULL,
    committed_at timestamptz NOT NULL,
    run_id text,
    causes text[] NOT NULL,
    is_kept boolean NOT NULL,
    CONSTRAINT commits_pkey PRIMARY KEY (commit_number)
);
CREATE INDEX commits_committed_at_idx ON history.commits (committed_at);
COMMENT ON TABLE history.commits IS 'Every change of the public tables: all its rows became visible at once';
COMMENT ON COLUMN history.commits.commit_number IS 'Number of the commit, in the order of time';
COMMENT ON COLUMN history.commits.committed_at IS 'When its rows became visible; later than that of every earlier commit';
COMMENT ON COLUMN history.commits.run_id IS 'Dagster run that made it; NULL for a change by a person';
COMMENT ON COLUMN history.commits.causes IS 'Why its figures changed: new file, late file, correction, register, …';
COMMENT ON COLUMN history.commits.is_kept IS 'Whether the tables can be asked for as of this commit; of older ones only the last of each hour';

-- The number of this transaction's commit. Writers of public tables commit one after another, so that the numbers are in
-- the order of the commits.
CREATE FUNCTION ingest.this_commit() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number bigint := nullif(current_setting('election_metrics.commit', true), '')::bigint;
BEGIN
    IF number IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('commits', 0));
        SELECT coalesce(max(commit_number), 0) + 1 INTO number FROM history.commits;
        INSERT INTO history.commits VALUES (
            number, clock_timestamp(), nullif(current_setting('election_metrics.run', true), ''),
            coalesce(nullif(current_setting('election_metrics.causes', true), '')::text[], '{}'), true
        );
        PERFORM set_config('election_metrics.commit', number::text, true);
    END IF;
    RETURN number;
END $$;
COMMENT ON FUNCTION ingest.this_commit IS 'Number of this transaction in history.commits';

-- The time of a commit is taken when the transaction ends; a clock that was set back does not change the order.
CREATE FUNCTION ingest.commit_now() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE history.commits SET committed_at = greatest(clock_timestamp(), (
        SELECT committed_at + interval '1 microsecond' FROM history.commits WHERE commit_number < NEW.commit_number
        ORDER BY commit_number DESC LIMIT 1
    )) WHERE commit_number = NEW.commit_number;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER commit_now AFTER INSERT ON history.commits DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION ingest.commit_now();

CREATE FUNCTION ingest.number_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.commit_number := ingest.this_commit();
    RETURN NEW;
END $$;

-- An update that changes no figure changes no commit.
CREATE FUNCTION ingest.keep_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lineage text[] := '{run_id,computed_at,commit_number}';
BEGIN
    NEW.commit_number := OLD.commit_number;
    IF to_jsonb(NEW) - lineage = to_jsonb(OLD) - lineage THEN
        RETURN NEW;
    END IF;
    NEW.commit_number := ingest.this_commit();
    IF OLD.commit_number < NEW.commit_number THEN
        EXECUTE format('INSERT INTO history.%I SELECT ($1).*, $2', TG_TABLE_NAME || '_replaced')
        USING OLD, NEW.commit_number;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION ingest.keep_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM gone) THEN
        RETURN NULL;
    END IF;
    number := ingest.this_commit();
    EXECUTE format(
        'INSERT INTO history.%I SELECT *, $1 FROM gone WHERE commit_number < $1', TG_TABLE_NAME || '_replaced'
    ) USING number;
    RETURN NULL;
END $$;

-- The commit as of which schema as_of shows the tables: that of the setting, else the newest.
CREATE FUNCTION as_of.commit_number() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN coalesce(current_setting('election_metrics.as_of', true), '') = '' THEN 9223372036854775807
        ELSE coalesce((
            SELECT commit_number FROM history.commits
            WHERE committed_at <= nullif(current_setting('election_metrics.as_of', true), '')::timestamptz AND is_kept
            ORDER BY committed_at DESC LIMIT 1
        ), 0)
    END
$$;
COMMENT ON FUNCTION as_of.commit_number IS 'The commit as of which this schema shows the tables';

CREATE FUNCTION as_of.moment() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif(current_setting('election_metrics.as_of', true), '')::timestamptz, now())
$$;
COMMENT ON FUNCTION as_of.moment IS 'The moment as of which this schema shows the tables';

-- Keeps the history of a table of schema metrics that has a column commit_number. A later migration that changes the
-- columns of such a table changes its table of schema history too, and makes its views anew.
CREATE FUNCTION ingest.keep_history(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_table text := 'metrics.' || quote_ident(name);
    replaced text := 'history.' || quote_ident(name || '_replaced');
    columns text;
    key text;
    added record;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
    FROM pg_attribute WHERE attrelid = of_table::regclass AND attnum > 0 AND NOT attisdropped;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY place) INTO key
    FROM pg_index CROSS JOIN unnest(indkey) WITH ORDINALITY AS part (number, place)
    JOIN pg_attribute ON attrelid = indrelid AND attnum = part.number
    WHERE indrelid = of_table::regclass AND indisprimary;

    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING COMMENTS, replaced_in bigint NOT NULL)', replaced, of_table);
    -- A version of a row ends where the next one begins, so versions do not overlap if none begins twice.
    EXECUTE format('ALTER TABLE %s ADD CHECK (commit_number < replaced_in)', replaced);
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%s, commit_number)', replaced, key);
    EXECUTE format('CREATE INDEX ON %s (replaced_in)', replaced);
    EXECUTE format('COMMENT ON TABLE %s IS %L', replaced, 'Replaced and removed rows of ' || of_table);
    EXECUTE format('COMMENT ON COLUMN %s.replaced_in IS %L', replaced, 'The commit in which it was replaced or removed');
    EXECUTE format(
        'CREATE VIEW history.%I AS SELECT %s, born.committed_at AS valid_from, gone.committed_at AS valid_to,'
        ' gone.run_id AS replaced_by, gone.causes FROM %s AS kept'
        ' JOIN history.commits AS born USING (commit_number) JOIN history.commits AS gone ON gone.commit_number = replaced_in',
        name, regexp_replace(columns, '(^|, )', '\1kept.', 'g'), replaced
    );
    EXECUTE format('COMMENT ON VIEW history.%I IS %L', name,
        'Replaced and removed rows of ' || of_table || ': from valid_from to before valid_to they were what was known');
    EXECUTE format(
        'CREATE VIEW as_of.%I AS SELECT %s FROM %s WHERE commit_number <= (SELECT as_of.commit_number())'
        ' UNION ALL SELECT %s FROM %s WHERE commit_number <= (SELECT as_of.commit_number())'
        ' AND replaced_in > (SELECT as_of.commit_number())', name, columns, of_table, columns, replaced
    );
    EXECUTE format('COMMENT ON VIEW as_of.%I IS %L', name, of_table || ' as it was known at election_metrics.as_of');
    FOR added IN
        SELECT attname, col_description(attrelid, attnum) AS text FROM pg_attribute
        WHERE attrelid = of_table::regclass AND attnum > 0 AND NOT attisdropped
    LOOP
        EXECUTE format('COMMENT ON COLUMN as_of.%I.%I IS %L', name, added.attname, added.text);
        EXECUTE format('COMMENT ON COLUMN history.%I.%I IS %L', name, added.attname, added.text);
    END LOOP;
    EXECUTE format('CREATE TRIGGER number_row BEFORE INSERT ON %s FOR EACH ROW WHEN (NEW.commit_number IS NULL)'
        ' EXECUTE FUNCTION ingest.number_row()', of_table);
    EXECUTE format('CREATE TRIGGER keep_updated BEFORE UPDATE ON %s FOR EACH ROW'
        ' EXECUTE FUNCTION ingest.keep_updated()', of_table);
    EXECUTE format('CREATE TRIGGER keep_deleted AFTER DELETE ON %s REFERENCING OLD TABLE AS gone FOR EACH STATEMENT'
        ' EXECUTE FUNCTION ingest.keep_deleted()', of_table);
END $$;
COMMENT ON FUNCTION ingest.keep_history IS 'Keeps replaced and removed rows of a table of schema metrics';

-- Figures that are there already are of the first commit.
INSERT INTO history.commits VALUES (1, now(), NULL, '{before history}', true);
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'elections', 'constituencies', 'hourly_stats', 'election_hours', 'constituency_metrics', 'election_summaries',
        'region_summaries', 'participation_extremes', 'missing_input', 'anomalies', 'rule_coverage', 'reconciliations'
    ] LOOP
        EXECUTE format('ALTER TABLE metrics.%I ADD COLUMN commit_number bigint NOT NULL DEFAULT 1', name);
        EXECUTE format('ALTER TABLE metrics.%I ALTER COLUMN commit_number DROP DEFAULT', name);
        EXECUTE format('COMMENT ON COLUMN metrics.%I.commit_number IS %L', name,
            'Commit that wrote these figures: history.commits says when, by which run and why');
        IF name IN ('election_summaries', 'reconciliations') THEN
            EXECUTE format('COMMENT ON COLUMN metrics.%I.run_id IS %L', name, 'Dagster run that computed these figures last');
            EXECUTE format('COMMENT ON COLUMN metrics.%I.computed_at IS %L', name, 'When these figures were computed last');
        ELSE
            EXECUTE format('COMMENT ON COLUMN metrics.%I.run_id IS %L', name, 'Dagster run that computed these figures first');
            EXECUTE format('COMMENT ON COLUMN metrics.%I.computed_at IS %L', name, 'When these figures were computed first');
        END IF;
        PERFORM ingest.keep_history(name);
    END LOOP;
END $$;
COMMENT ON COLUMN ingest.constituency_registry.run_id IS 'Dagster run that computed these figures first';
COMMENT ON COLUMN ingest.constituency_registry.computed_at IS 'When these figures were computed first';

-- The views of schema metrics that are made of these tables alone, with the same definition.
DO $$
DECLARE
    name text;
    definition text;
BEGIN
    PERFORM set_config('search_path', 'pg_catalog', true);
    FOREACH name IN ARRAY ARRAY['turnout_by_hour', 'constituency_current', 'election_current'] LOOP
        definition := regexp_replace(pg_get_viewdef('metrics.' || quote_ident(name)), '\mmetrics\.', 'as_of.', 'g');
        definition := replace(definition, 'now()', 'as_of.moment()');
        EXECUTE format('CREATE VIEW as_of.%I AS %s', name, definition);
        EXECUTE format('COMMENT ON VIEW as_of.%I IS %L', name,
            'metrics.' || name || ' as it was known at election_metrics.as_of');
    END LOOP;
END $$;

-- Why hours and elections are stale, until they are computed: the causes of the commit that computes them.
ALTER TABLE ingest.hour_versions ADD COLUMN causes text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ingest.hour_versions.causes IS 'Why the hour was marked stale since it was computed';
ALTER TABLE ingest.election_versions ADD COLUMN causes text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ingest.election_versions.causes IS 'Why derived tables of the election were marked stale since they were computed';

CREATE INDEX hourly_stats_replaced_hour ON history.hourly_stats_replaced (election_id, hour);

ALTER TABLE ingest.constituency_versions ADD COLUMN since_hour bigint;
COMMENT ON COLUMN ingest.constituency_versions.since_hour IS
    'First hour (since 1970, UTC) that changed since its derived tables were computed; NULL: any may have';

-- An hour is shown as whole once it is over: what changes then is a correction.
CREATE VIEW metrics.corrections_log AS
WITH shown AS ( -- hours of an election that changed after they were over
    SELECT of_election.election_id, of_election.hour, of_election.replaced_in
    FROM history.election_hours_replaced AS of_election
    JOIN history.commits AS known USING (commit_number)
    WHERE known.committed_at >= of_election.hour + interval '1 hour'
), replaced AS (
    SELECT
        old.election_id, old.constituency_id, old.hour, known.committed_at AS known_from, old.replaced_in AS corrected_in,
        old.bulletins_issued, old.votes_cast
    FROM history.hourly_stats_replaced AS old
    JOIN history.commits AS known USING (commit_number)
    WHERE known.committed_at >= old.hour + interval '1 hour'
), changed AS (
    SELECT
        old.election_id, old.constituency_id, old.hour, old.known_from, old.corrected_in,
        old.bulletins_issued AS bulletins_before, coalesce(now.bulletins_issued, later.bulletins_issued, 0) AS bulletins_after,
        old.votes_cast AS votes_before, coalesce(now.votes_cast, later.votes_cast, 0) AS votes_after
    FROM replaced AS old
    LEFT JOIN metrics.hourly_stats AS now
        ON now.constituency_id = old.constituency_id AND now.hour = old.hour AND now.commit_number = old.corrected_in
    LEFT JOIN history.hourly_stats_replaced AS later
        ON later.constituency_id = old.constituency_id AND later.hour = old.hour
        AND later.commit_number = old.corrected_in
    UNION ALL -- constituencies whose first figures of the hour came when the hour had been shown without them
    SELECT shown.election_id, late.constituency_id, shown.hour, NULL, shown.replaced_in, NULL, late.bulletins_issued,
        NULL, late.votes_cast
    FROM shown
    CROSS JOIN LATERAL (
        SELECT constituency_id, bulletins_issued, votes_cast FROM metrics.hourly_stats AS row
        WHERE row.election_id = shown.election_id AND row.hour = shown.hour AND row.commit_number = shown.replaced_in
        UNION ALL
        SELECT constituency_id, bulletins_issued, votes_cast FROM history.hourly_stats_replaced AS row
        WHERE row.election_id = shown.election_id AND row.hour = shown.hour AND row.commit_number = shown.replaced_in
    ) AS late
    WHERE NOT EXISTS (
        SELECT 1 FROM history.hourly_stats_replaced AS old
        WHERE old.constituency_id = late.constituency_id AND old.hour = shown.hour
            AND old.commit_number < shown.replaced_in
    )
)
SELECT
    changed.election_id, changed.constituency_id, changed.hour, changed.known_from,
    corrected.committed_at AS corrected_at, bulletins_before, bulletins_after, votes_before, votes_after,
    corrected.causes, corrected.run_id
FROM changed
JOIN history.commits AS corrected ON corrected.commit_number = corrected_in
WHERE (bulletins_before, votes_before) IS DISTINCT FROM (bulletins_after, votes_after)
    -- Files of an hour come one after another once it is over: the first figures are late from an hour after that on.
    AND (changed.known_from IS NOT NULL OR corrected.committed_at >= changed.hour + interval '2 hours');
COMMENT ON VIEW metrics.corrections_log IS
    'Bulletins and votes of a constituency and hour that changed after they were first shown, and why';
COMMENT ON COLUMN metrics.corrections_log.election_id IS 'Election of the row before';
COMMENT ON COLUMN metrics.corrections_log.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.corrections_log.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.corrections_log.known_from IS
    'Since when the figures before were shown; NULL where the first figures of the hour came more than an hour after its end';
COMMENT ON COLUMN metrics.corrections_log.corrected_at IS 'When the figures after were first shown';
COMMENT ON COLUMN metrics.corrections_log.bulletins_before IS 'Bulletins issued, before; NULL as known_from';
COMMENT ON COLUMN metrics.corrections_log.bulletins_after IS 'Bulletins issued, after';
COMMENT ON COLUMN metrics.corrections_log.votes_before IS 'Votes cast, before; NULL as known_from';
COMMENT ON COLUMN metrics.corrections_log.votes_after IS 'Votes cast, after';
COMMENT ON COLUMN metrics.corrections_log.causes IS 'Why: the causes of the commit';
COMMENT ON COLUMN metrics.corrections_log.run_id IS 'Dagster run that corrected them; NULL for a change by a person';

CREATE VIEW metrics.verifications AS
SELECT 'election' AS scope, election_id, NULL::timestamptz AS hour, computed_at AS verified_at, run_id
FROM metrics.election_summaries
UNION ALL
SELECT 'hour', NULL, to_timestamp(hour_number * 3600), computed_at, NULL
FROM ingest.hour_versions WHERE computed_at IS NOT NULL;
COMMENT ON VIEW metrics.verifications IS
    'When the figures of an hour, and all that follow from the hours of an election, were computed last, whether or not any changed';
COMMENT ON COLUMN metrics.verifications.scope IS 'hour (rows of hourly_stats) or election (every other table)';
COMMENT ON COLUMN metrics.verifications.election_id IS 'Election; NULL for an hour';
COMMENT ON COLUMN metrics.verifications.hour IS 'Start of the hour (UTC); NULL for an election';
COMMENT ON COLUMN metrics.verifications.verified_at IS 'When they were computed last';
COMMENT ON COLUMN metrics.verifications.run_id IS 'Dagster run that computed them; NULL for an hour';
