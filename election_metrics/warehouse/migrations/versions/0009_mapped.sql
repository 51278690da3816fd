-- What files that are read by a mapping say beside their counts.

CREATE TABLE ingest.mapped_sources (
    source text NOT NULL,
    rows text NOT NULL,
    unit text NOT NULL,
    rules_off text[] NOT NULL,
    read_at timestamptz NOT NULL,
    CONSTRAINT mapped_sources_pkey PRIMARY KEY (source)
);
COMMENT ON TABLE ingest.mapped_sources IS 'Sources of files that are read by a mapping';
COMMENT ON COLUMN ingest.mapped_sources.source IS 'Name in the mapping';
COMMENT ON COLUMN ingest.mapped_sources.rows IS 'What its rows are: events, counts or counters';
COMMENT ON COLUMN ingest.mapped_sources.unit IS 'Smallest unit of time that it knows: second, hour or day';
COMMENT ON COLUMN ingest.mapped_sources.rules_off IS 'Anomaly rules that its figures say too little for';
COMMENT ON COLUMN ingest.mapped_sources.read_at IS 'When it was read';

CREATE TABLE ingest.mapped_places (
    source text NOT NULL,
    constituency_id text NOT NULL,
    name text,
    election text,
    region text,
    time_zone text,
    registered_voters bigint,
    starts_at timestamptz,
    ends_at timestamptz,
    CONSTRAINT mapped_places_pkey PRIMARY KEY (source, constituency_id)
);
CREATE INDEX mapped_places_constituency_id_idx ON ingest.mapped_places (constituency_id);
COMMENT ON TABLE ingest.mapped_places IS 'What files that are read by a mapping say of their places';
COMMENT ON COLUMN ingest.mapped_places.source IS 'Name in the mapping';
COMMENT ON COLUMN ingest.mapped_places.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.mapped_places.name IS 'Its name';
COMMENT ON COLUMN ingest.mapped_places.election IS 'Name of its election';
COMMENT ON COLUMN ingest.mapped_places.region IS 'Its region';
COMMENT ON COLUMN ingest.mapped_places.time_zone IS 'Its time zone';
COMMENT ON COLUMN ingest.mapped_places.registered_voters IS 'Registered voters, as published last';
COMMENT ON COLUMN ingest.mapped_places.starts_at IS 'Start of voting, by the mapping';
COMMENT ON COLUMN ingest.mapped_places.ends_at IS 'End of voting, by the mapping';

CREATE TABLE ingest.counter_observations (
    source text NOT NULL,
    constituency_id text NOT NULL,
    counter text NOT NULL,
    observed_at timestamptz NOT NULL,
    begins_at timestamptz NOT NULL,
    published bigint NOT NULL,
    change bigint,
    replaced bigint,
    counted bigint NOT NULL,
    path text NOT NULL,
    CONSTRAINT counter_observations_pkey PRIMARY KEY (source, constituency_id, counter, observed_at)
);
CREATE INDEX counter_observations_constituency_id_idx ON ingest.counter_observations (constituency_id);
COMMENT ON TABLE ingest.counter_observations IS 'Counters as they were published';
COMMENT ON COLUMN ingest.counter_observations.source IS 'Name in the mapping';
COMMENT ON COLUMN ingest.counter_observations.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.counter_observations.counter IS 'bulletins or votes';
COMMENT ON COLUMN ingest.counter_observations.observed_at IS 'When it was published, or the time it is of';
COMMENT ON COLUMN ingest.counter_observations.begins_at IS
    'Begin of the time that the difference belongs to: the number published before, the opening, or an hour earlier';
COMMENT ON COLUMN ingest.counter_observations.published IS 'How many so far, as published';
COMMENT ON COLUMN ingest.counter_observations.change IS 'Less the number published before; NULL for the first';
COMMENT ON COLUMN ingest.counter_observations.replaced IS
    'Highest number that an earlier file has for the same time, where it is higher; NULL: none is';
COMMENT ON COLUMN ingest.counter_observations.counted IS
    'How many so far by what is known now: no more than any number that was published later';
COMMENT ON COLUMN ingest.counter_observations.path IS 'File';

CREATE VIEW metrics.published_counters AS
SELECT
    place.election_id,
    observation.constituency_id,
    observation.counter,
    observation.begins_at,
    observation.observed_at,
    observation.published,
    CASE WHEN observation.change IS NOT NULL THEN greatest(observation.change, 0) END AS added,
    CASE WHEN observation.change IS NOT NULL THEN least(observation.change, 0) END AS correction,
    observation.replaced,
    observation.counted,
    observation.source,
    regexp_replace(observation.path, '^.*/', '') AS file
FROM ingest.counter_observations AS observation
JOIN metrics.constituencies AS place USING (constituency_id);
COMMENT ON VIEW metrics.published_counters IS
    'Counters as authorities published them: how many so far. Key: constituency_id, counter, observed_at, source';
COMMENT ON COLUMN metrics.published_counters.election_id IS 'Election';
COMMENT ON COLUMN metrics.published_counters.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.published_counters.counter IS 'bulletins or votes';
COMMENT ON COLUMN metrics.published_counters.begins_at IS
    'Begin of the time that the difference belongs to: the number published before, the opening, or an hour earlier (UTC)';
COMMENT ON COLUMN metrics.published_counters.observed_at IS 'When it was published, or the time it is of (UTC)';
COMMENT ON COLUMN metrics.published_counters.published IS 'How many so far, as published';
COMMENT ON COLUMN metrics.published_counters.added IS
    'By how much it is higher than the number published before; NULL for the first';
COMMENT ON COLUMN metrics.published_counters.correction IS
    'By how much it is lower than the number published before: negative, or 0; NULL for the first';
COMMENT ON COLUMN metrics.published_counters.replaced IS
    'Highest number that an earlier file has for the same time, where it is higher: it was corrected down; NULL: none is';
COMMENT ON COLUMN metrics.published_counters.counted IS
    'How many so far by what is known now: no more than any number that was published later. The hours of hourly_stats add up to it';
COMMENT ON COLUMN metrics.published_counters.source IS 'Name of the source in its mapping';
COMMENT ON COLUMN metrics.published_counters.file IS 'Name of the file, without its folder';

-- An hour is spread where the number that covers it was published for a longer time than an hour. Of files that know
-- days alone, the first hour of a day has all of it.
CREATE VIEW metrics.spread_hours AS
SELECT
    hour.election_id,
    hour.constituency_id,
    hour.hour,
    CASE WHEN bool_or(counter = 'votes') THEN hour.votes_cast ELSE 0 END AS spread_votes,
    CASE WHEN bool_or(counter = 'bulletins') THEN hour.bulletins_issued ELSE 0 END AS spread_bulletins,
    CASE WHEN bool_and(source.unit = 'day') THEN 'day' ELSE 'hour' END AS unit,
    min(observation.begins_at) AS begins_at,
    max(observation.observed_at) AS observed_at
FROM ingest.counter_observations AS observation
JOIN ingest.mapped_sources AS source USING (source)
JOIN metrics.hourly_stats AS hour
    ON hour.constituency_id = observation.constituency_id
    AND hour.hour >= date_trunc('hour', observation.begins_at) AND hour.hour < observation.observed_at
WHERE observation.observed_at - observation.begins_at > interval '1 hour'
GROUP BY hour.election_id, hour.constituency_id, hour.hour, hour.votes_cast, hour.bulletins_issued
UNION
SELECT
    hour.election_id, hour.constituency_id, hour.hour, hour.votes_cast, hour.bulletins_issued, 'day', hour.hour,
    hour.hour + interval '1 day'
FROM ingest.mapped_sources AS source
JOIN ingest.mapped_places AS place USING (source)
JOIN metrics.hourly_stats AS hour USING (constituency_id)
WHERE source.unit = 'day' AND source.rows <> 'counters' AND hour.votes_cast + hour.bulletins_issued > 0;
COMMENT ON VIEW metrics.spread_hours IS
    'Hours whose votes or bulletins are not known by hour: they were published for a longer time, and are spread evenly over it. Key: constituency_id, hour';
COMMENT ON COLUMN metrics.spread_hours.election_id IS 'Election';
COMMENT ON COLUMN metrics.spread_hours.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.spread_hours.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.spread_hours.spread_votes IS 'Votes of the hour that were made by spreading; 0 where they are known by hour';
COMMENT ON COLUMN metrics.spread_hours.spread_bulletins IS 'Bulletins of the hour that were made by spreading; 0 where they are known by hour';
COMMENT ON COLUMN metrics.spread_hours.unit IS 'day: the source knows days alone, so that the hour says nothing; hour: it knows hours';
COMMENT ON COLUMN metrics.spread_hours.begins_at IS 'Begin of the time for which the numbers were published (UTC)';
COMMENT ON COLUMN metrics.spread_hours.observed_at IS 'End of it (UTC)';
