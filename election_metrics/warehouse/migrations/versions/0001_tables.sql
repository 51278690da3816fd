-- The tables as of the first release; election_metrics/warehouse/tables.py has what they are now.

CREATE SEQUENCE ingest.content_ids;

CREATE TABLE ingest.audit_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz DEFAULT now() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    before jsonb,
    after jsonb,
    CONSTRAINT audit_log_pkey PRIMARY KEY (entry_id)
);
COMMENT ON TABLE ingest.audit_log IS 'The audit log: every change made by people, with who, what and when; written by triggers';
COMMENT ON COLUMN ingest.audit_log.entry_id IS 'Number of the entry';
COMMENT ON COLUMN ingest.audit_log.at IS 'Start of the transaction that made the change';
COMMENT ON COLUMN ingest.audit_log.who IS 'Who did it: the name of a token, a user''s name, or a database role';
COMMENT ON COLUMN ingest.audit_log.action IS 'insert, update or delete; refresh, invalidate-cache; create-token, revoke-token';
COMMENT ON COLUMN ingest.audit_log.target IS 'Table and key, or what else it was done to';
COMMENT ON COLUMN ingest.audit_log.before IS 'The row before; NULL where there was none';
COMMENT ON COLUMN ingest.audit_log.after IS 'The row after; NULL where there is none';

CREATE TABLE ingest.conflicting_rows (
    transaction_id text NOT NULL,
    content_id bigint NOT NULL,
    place bigint NOT NULL,
    constituency_id text NOT NULL,
    occurred_ms bigint NOT NULL,
    kind text NOT NULL,
    operation text,
    quantity bigint,
    sender text,
    fail_reason text,
    CONSTRAINT conflicting_rows_pkey PRIMARY KEY (transaction_id, content_id, place)
);
CREATE INDEX conflicting_rows_content_id_idx ON ingest.conflicting_rows (content_id);
COMMENT ON TABLE ingest.conflicting_rows IS 'Rows of transaction ids whose rows differ, of any file that was ever current';
COMMENT ON COLUMN ingest.conflicting_rows.transaction_id IS 'Transaction';
COMMENT ON COLUMN ingest.conflicting_rows.content_id IS 'Content that holds the row';
COMMENT ON COLUMN ingest.conflicting_rows.place IS '1: the row rests in the lake; more: a row of the same file outranks it';
COMMENT ON COLUMN ingest.conflicting_rows.constituency_id IS 'Constituency of the row';
COMMENT ON COLUMN ingest.conflicting_rows.occurred_ms IS 'When, epoch milliseconds';
COMMENT ON COLUMN ingest.conflicting_rows.kind IS 'Outcome of the call: vote_cast, bulletin_issued, …';
COMMENT ON COLUMN ingest.conflicting_rows.operation IS 'Call of the contract';
COMMENT ON COLUMN ingest.conflicting_rows.quantity IS 'Bulletins or voters';
COMMENT ON COLUMN ingest.conflicting_rows.sender IS 'Voter key of a vote; short hash of the voter''s id of an issue';
COMMENT ON COLUMN ingest.conflicting_rows.fail_reason IS 'Why the call failed';

CREATE TABLE ingest.constituency_versions (
    constituency_id text NOT NULL,
    election_id text NOT NULL,
    hourly_version bigint NOT NULL,
    CONSTRAINT constituency_versions_pkey PRIMARY KEY (constituency_id)
);
CREATE INDEX constituency_versions_election_id_idx ON ingest.constituency_versions (election_id);
COMMENT ON TABLE ingest.constituency_versions IS 'Which constituencies an election''s derived tables must be computed again for';
COMMENT ON COLUMN ingest.constituency_versions.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.constituency_versions.election_id IS 'Election';
COMMENT ON COLUMN ingest.constituency_versions.hourly_version IS
    'The election''s hourly_version at which a figure of this constituency changed last';

CREATE TABLE ingest.content_hours (
    content_id bigint NOT NULL,
    hour_number bigint NOT NULL,
    rows bigint NOT NULL,
    CONSTRAINT content_hours_pkey PRIMARY KEY (content_id, hour_number)
);
CREATE INDEX content_hours_hour_number_idx ON ingest.content_hours (hour_number);
COMMENT ON TABLE ingest.content_hours IS 'Which hours a file''s rows went to';
COMMENT ON COLUMN ingest.content_hours.content_id IS 'Content of a file';
COMMENT ON COLUMN ingest.content_hours.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.content_hours.rows IS 'Rows of the content in this hour';

CREATE TABLE ingest.corrections (
    kind text NOT NULL,
    transaction_id text NOT NULL,
    content_id bigint NOT NULL,
    occurred_ms bigint NOT NULL,
    constituency_id text NOT NULL,
    sender text,
    CONSTRAINT corrections_pkey PRIMARY KEY (kind, transaction_id, content_id, occurred_ms),
    CONSTRAINT corrections_kind_check CHECK (kind IN ('rollback', 'repeated_vote', 'repeated_issue'))
);
CREATE INDEX corrections_constituency_id_sender_idx ON ingest.corrections (constituency_id, sender);
CREATE INDEX corrections_content_id_idx ON ingest.corrections (content_id);
COMMENT ON TABLE ingest.corrections IS 'Corrections: rollbacks, and repeated votes and issues of one voter';
COMMENT ON COLUMN ingest.corrections.kind IS 'rollback, repeated_vote or repeated_issue';
COMMENT ON COLUMN ingest.corrections.transaction_id IS 'Transaction that is withdrawn or repeated';
COMMENT ON COLUMN ingest.corrections.content_id IS 'Content that holds the line';
COMMENT ON COLUMN ingest.corrections.occurred_ms IS 'Time of the repeated row, epoch milliseconds; 0 for a rollback';
COMMENT ON COLUMN ingest.corrections.constituency_id IS 'Constituency of the row';
COMMENT ON COLUMN ingest.corrections.sender IS
    'Voter key of a repeated vote; the short hash of the voter''s id of a repeated issue';

CREATE TABLE ingest.election_versions (
    election_id text NOT NULL,
    hourly_version bigint NOT NULL,
    metrics_version bigint NOT NULL,
    summary_version bigint NOT NULL,
    whole_version bigint DEFAULT '0' NOT NULL,
    CONSTRAINT election_versions_pkey PRIMARY KEY (election_id)
);
COMMENT ON TABLE ingest.election_versions IS 'Elections whose derived tables are behind their hourly rows';
COMMENT ON COLUMN ingest.election_versions.election_id IS 'Election';
COMMENT ON COLUMN ingest.election_versions.hourly_version IS 'Grows when hourly rows or the registry of the election change';
COMMENT ON COLUMN ingest.election_versions.metrics_version IS 'The hourly_version that constituency_metrics was computed from';
COMMENT ON COLUMN ingest.election_versions.summary_version IS 'The metrics_version that election_summaries was computed from';
COMMENT ON COLUMN ingest.election_versions.whole_version IS
    'The hourly_version at which every constituency of it changed, as with its registry';

CREATE TABLE ingest.files_not_read (
    source text NOT NULL,
    ending text NOT NULL,
    files bigint NOT NULL,
    example text NOT NULL,
    may_be_exports boolean NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT files_not_read_pkey PRIMARY KEY (source, ending)
);
COMMENT ON TABLE ingest.files_not_read IS 'Files of the source that are of a kind that is not read';
COMMENT ON COLUMN ingest.files_not_read.source IS 'Folder that was listed';
COMMENT ON COLUMN ingest.files_not_read.ending IS 'File name extension, such as .7z; empty: none';
COMMENT ON COLUMN ingest.files_not_read.files IS 'Number of files';
COMMENT ON COLUMN ingest.files_not_read.example IS 'Path of one of them';
COMMENT ON COLUMN ingest.files_not_read.may_be_exports IS
    'Whether they may hold transactions: archives, and files with names of exports';
COMMENT ON COLUMN ingest.files_not_read.seen_at IS 'When the folder was listed with this result';

CREATE TABLE ingest.highest_totals (
    constituency_id text NOT NULL,
    transactions bigint NOT NULL,
    first_hour bigint NOT NULL,
    last_hour bigint NOT NULL,
    CONSTRAINT highest_totals_pkey PRIMARY KEY (constituency_id)
);
COMMENT ON TABLE ingest.highest_totals IS 'The highest totals so far, by which falling totals are found';
COMMENT ON COLUMN ingest.highest_totals.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.highest_totals.transactions IS 'Most transactions, withdrawn ones included, that were ever computed';
COMMENT ON COLUMN ingest.highest_totals.first_hour IS 'Their first hour (hours since 1970, UTC)';
COMMENT ON COLUMN ingest.highest_totals.last_hour IS 'Their last hour';

CREATE TABLE ingest.hour_versions (
    hour_number bigint NOT NULL,
    landed_version bigint NOT NULL,
    computed_version bigint NOT NULL,
    is_conflicted boolean NOT NULL,
    computed_at timestamptz,
    CONSTRAINT hour_versions_pkey PRIMARY KEY (hour_number)
);
CREATE INDEX hour_versions_changed ON ingest.hour_versions (hour_number) WHERE landed_version > computed_version;
COMMENT ON TABLE ingest.hour_versions IS 'Hours with transactions: stale where landed_version is above computed_version';
COMMENT ON COLUMN ingest.hour_versions.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.hour_versions.landed_version IS 'Grows with everything that may change the hour''s figures';
COMMENT ON COLUMN ingest.hour_versions.computed_version IS 'The landed_version that hourly_stats was computed from';
COMMENT ON COLUMN ingest.hour_versions.is_conflicted IS 'Rows of this hour repeat, or were withdrawn, superseded or voted again';
COMMENT ON COLUMN ingest.hour_versions.computed_at IS 'When hourly_stats of the hour was computed';

CREATE TABLE ingest.lake_parts (
    path text NOT NULL,
    hour_number bigint NOT NULL,
    rows bigint NOT NULL,
    size bigint NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT lake_parts_pkey PRIMARY KEY (path)
);
CREATE INDEX lake_parts_hour_number_idx ON ingest.lake_parts (hour_number);
COMMENT ON TABLE ingest.lake_parts IS 'The lake''s manifest: a Parquet file that is not listed here is ignored';
COMMENT ON COLUMN ingest.lake_parts.path IS 'Parquet file below the lake';
COMMENT ON COLUMN ingest.lake_parts.hour_number IS 'Hours since 1970 (UTC)';
COMMENT ON COLUMN ingest.lake_parts.rows IS 'Rows in the part';
COMMENT ON COLUMN ingest.lake_parts.size IS 'Bytes';
COMMENT ON COLUMN ingest.lake_parts.created_at IS 'When it was written';
COMMENT ON COLUMN ingest.lake_parts.retired_at IS 'When a merged part replaced it; its file is deleted a while later';

CREATE TABLE ingest.landing_attempts (
    path text NOT NULL,
    size bigint NOT NULL,
    modified_ns bigint NOT NULL,
    tries bigint NOT NULL,
    together bigint NOT NULL,
    reason text,
    tried_at timestamptz NOT NULL,
    set_aside_at timestamptz,
    run_id text NOT NULL,
    CONSTRAINT landing_attempts_pkey PRIMARY KEY (path)
);
COMMENT ON TABLE ingest.landing_attempts IS 'Files that made a landing fail; empty while all is well';
COMMENT ON COLUMN ingest.landing_attempts.path IS 'File below the source';
COMMENT ON COLUMN ingest.landing_attempts.size IS 'Bytes';
COMMENT ON COLUMN ingest.landing_attempts.modified_ns IS 'Time of change, nanoseconds since 1970';
COMMENT ON COLUMN ingest.landing_attempts.tries IS
    'Landings of this version that failed: their process died, or an error occurred';
COMMENT ON COLUMN ingest.landing_attempts.together IS 'Number of files in the last of these landings';
COMMENT ON COLUMN ingest.landing_attempts.reason IS 'Error of the last of these landings; NULL if its process died';
COMMENT ON COLUMN ingest.landing_attempts.tried_at IS 'When the last of them began';
COMMENT ON COLUMN ingest.landing_attempts.set_aside_at IS
    'When it was set aside, so that the others land without it; NULL: it is not set aside';
COMMENT ON COLUMN ingest.landing_attempts.run_id IS 'Dagster run of the last of them';

CREATE TABLE ingest.problems (
    problem_id text NOT NULL,
    severity text NOT NULL,
    title text NOT NULL,
    detail text NOT NULL,
    since timestamptz NOT NULL,
    alerted_at timestamptz,
    CONSTRAINT problems_pkey PRIMARY KEY (problem_id),
    CONSTRAINT problems_severity_check CHECK (severity IN ('error', 'warning'))
);
COMMENT ON TABLE ingest.problems IS 'Current problems; a row is deleted when its problem is over';
COMMENT ON COLUMN ingest.problems.problem_id IS 'Key of the problem; constant while it lasts';
COMMENT ON COLUMN ingest.problems.severity IS 'error or warning';
COMMENT ON COLUMN ingest.problems.title IS 'What is wrong, in a line';
COMMENT ON COLUMN ingest.problems.detail IS 'Where, why, and what to type';
COMMENT ON COLUMN ingest.problems.since IS 'When it was first seen';
COMMENT ON COLUMN ingest.problems.alerted_at IS 'When it was sent out; NULL: not yet';

CREATE TABLE ingest.registry_events (
    transaction_id text NOT NULL,
    content_id bigint NOT NULL,
    constituency_id text NOT NULL,
    occurred_at timestamptz NOT NULL,
    operation text NOT NULL,
    voters bigint,
    CONSTRAINT registry_events_pkey PRIMARY KEY (transaction_id, content_id)
);
CREATE INDEX registry_events_constituency_id_idx ON ingest.registry_events (constituency_id);
COMMENT ON TABLE ingest.registry_events IS 'Calls that did not fail and that change the register, or start and finish voting';
COMMENT ON COLUMN ingest.registry_events.transaction_id IS 'Transaction';
COMMENT ON COLUMN ingest.registry_events.content_id IS 'Content that holds it';
COMMENT ON COLUMN ingest.registry_events.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.registry_events.occurred_at IS 'When';
COMMENT ON COLUMN ingest.registry_events.operation IS 'Call that changed the register or the state of voting';
COMMENT ON COLUMN ingest.registry_events.voters IS 'Registered voters added (removed: negative); NULL for other calls';

CREATE TABLE ingest.registry_version (
    is_it boolean NOT NULL,
    reference_version bigint NOT NULL,
    registry_version bigint NOT NULL,
    CONSTRAINT registry_version_pkey PRIMARY KEY (is_it),
    CONSTRAINT registry_version_one_row_check CHECK (is_it)
);
COMMENT ON TABLE ingest.registry_version IS 'Whether the registry is behind the overrides';
COMMENT ON COLUMN ingest.registry_version.is_it IS 'Always true: there is one row';
COMMENT ON COLUMN ingest.registry_version.reference_version IS 'Grows when people change reference data';
COMMENT ON COLUMN ingest.registry_version.registry_version IS 'The reference_version that the registry was made from';

CREATE TABLE ingest.rejected_transactions (
    file text NOT NULL,
    line_number bigint NOT NULL,
    reason text NOT NULL,
    content text NOT NULL,
    seen_at timestamptz NOT NULL,
    content_id bigint NOT NULL,
    CONSTRAINT rejected_transactions_pkey PRIMARY KEY (line_number, content_id)
);
CREATE INDEX rejected_transactions_file_idx ON ingest.rejected_transactions (file);
COMMENT ON TABLE ingest.rejected_transactions IS 'The quarantine: lines of current files that cannot be read, the first 10,000 of each file';
COMMENT ON COLUMN ingest.rejected_transactions.file IS 'Path of the file, and member of an archive';
COMMENT ON COLUMN ingest.rejected_transactions.line_number IS 'Line in the file, from 1';
COMMENT ON COLUMN ingest.rejected_transactions.reason IS 'Why the line cannot be read';
COMMENT ON COLUMN ingest.rejected_transactions.content IS 'The line''s first 200 characters';
COMMENT ON COLUMN ingest.rejected_transactions.seen_at IS 'When it was found';
COMMENT ON COLUMN ingest.rejected_transactions.content_id IS 'Content that holds the line';

CREATE TABLE ingest.secrets (
    name text NOT NULL,
    secret text NOT NULL,
    CONSTRAINT secrets_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE ingest.secrets IS 'Secret keys of hashes';
COMMENT ON COLUMN ingest.secrets.name IS 'What it is for';
COMMENT ON COLUMN ingest.secrets.secret IS 'Random text that the writers of transactions do not know';

CREATE TABLE ingest.table_constituencies (
    source text NOT NULL,
    constituency_id text NOT NULL,
    election text,
    first_hour bigint NOT NULL,
    CONSTRAINT table_constituencies_pkey PRIMARY KEY (source, constituency_id)
);
CREATE INDEX table_constituencies_constituency_id_idx ON ingest.table_constituencies (constituency_id);
COMMENT ON TABLE ingest.table_constituencies IS 'Constituencies of a transactions table';
COMMENT ON COLUMN ingest.table_constituencies.source IS 'Transactions table';
COMMENT ON COLUMN ingest.table_constituencies.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.table_constituencies.election IS 'Election''s name, where the table says it';
COMMENT ON COLUMN ingest.table_constituencies.first_hour IS 'Hour of its first transaction (hours since 1970, UTC)';

CREATE TABLE ingest.table_contents (
    content_id bigint NOT NULL,
    source text NOT NULL,
    hour_number bigint NOT NULL,
    rows bigint NOT NULL,
    fingerprint numeric NOT NULL,
    CONSTRAINT table_contents_pkey PRIMARY KEY (content_id)
);
CREATE INDEX table_contents_source_hour_number_idx ON ingest.table_contents (source, hour_number);
COMMENT ON TABLE ingest.table_contents IS 'Landed rows of a table''s hours that count, for the comparison with the table';
COMMENT ON COLUMN ingest.table_contents.content_id IS 'Number of the rows'' content in the lake';
COMMENT ON COLUMN ingest.table_contents.source IS 'Transactions table';
COMMENT ON COLUMN ingest.table_contents.hour_number IS 'Hours since 1970 (UTC); -1 where the time is none';
COMMENT ON COLUMN ingest.table_contents.rows IS 'Rows of the table';
COMMENT ON COLUMN ingest.table_contents.fingerprint IS 'Sum of the rows'' hashes, keyed with secret `table_rows`: 60 bits each';

CREATE TABLE ingest.table_places (
    content_id bigint NOT NULL,
    constituency_id text NOT NULL,
    election text,
    CONSTRAINT table_places_pkey PRIMARY KEY (content_id, constituency_id)
);
CREATE INDEX table_places_constituency_id_idx ON ingest.table_places (constituency_id);
COMMENT ON TABLE ingest.table_places IS 'Constituencies of landed rows of a transactions table';
COMMENT ON COLUMN ingest.table_places.content_id IS 'Content of an hour of a table';
COMMENT ON COLUMN ingest.table_places.constituency_id IS 'Constituency';
COMMENT ON COLUMN ingest.table_places.election IS 'Election''s name in these rows, the first by name; NULL where none says it';

CREATE TABLE ingest.table_reads (
    source text NOT NULL,
    place text NOT NULL,
    read_up_to jsonb NOT NULL,
    read_at timestamptz NOT NULL,
    compared_at timestamptz,
    CONSTRAINT table_reads_pkey PRIMARY KEY (source)
);
COMMENT ON TABLE ingest.table_reads IS 'Transactions tables in other databases, and how far each was read';
COMMENT ON COLUMN ingest.table_reads.source IS 'Name of the transactions table in its mapping';
COMMENT ON COLUMN ingest.table_reads.place IS 'Database (without a password) and table';
COMMENT ON COLUMN ingest.table_reads.read_up_to IS 'How far it was read: horizon, low, newest, marks';
COMMENT ON COLUMN ingest.table_reads.read_at IS 'When it was polled last: all rows of that time have landed';
COMMENT ON COLUMN ingest.table_reads.compared_at IS 'When each of its hours was last compared with what landed';

CREATE TABLE ingest.transaction_files (
    file_id bigint GENERATED ALWAYS AS IDENTITY,
    path text NOT NULL,
    member text NOT NULL,
    size bigint NOT NULL,
    modified_ns bigint NOT NULL,
    status text NOT NULL,
    reason text,
    content_hash text,
    content_id bigint,
    constituency_id text,
    region_code text,
    region text,
    election text,
    constituency text,
    interval_start timestamp,
    interval_end timestamp,
    lines bigint,
    rows bigint,
    rollbacks bigint,
    repeated bigint,
    rejected bigint,
    first_transaction_at timestamptz,
    last_transaction_at timestamptz,
    run_id text NOT NULL,
    seen_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    withdrawn_as text,
    gone_at timestamptz,
    CONSTRAINT transaction_files_pkey PRIMARY KEY (file_id),
    CONSTRAINT transaction_files_every_line_accounted_check CHECK (lines = rows + rollbacks + repeated + rejected),
    CONSTRAINT transaction_files_status_check CHECK (status IN ('landed', 'superseded', 'unreadable', 'withdrawn'))
);
CREATE INDEX transaction_files_constituency_id_idx ON ingest.transaction_files (constituency_id);
CREATE INDEX transaction_files_content_hash_idx ON ingest.transaction_files (content_hash);
CREATE INDEX transaction_files_content_id_idx ON ingest.transaction_files (content_id);
CREATE UNIQUE INDEX transaction_files_current_key ON ingest.transaction_files (path, member) WHERE status <> 'superseded';
CREATE INDEX transaction_files_gone ON ingest.transaction_files (path) WHERE gone_at IS NOT NULL;
CREATE INDEX transaction_files_not_counting ON ingest.transaction_files (status)
    WHERE status IN ('unreadable', 'withdrawn');
CREATE INDEX transaction_files_run_id_idx ON ingest.transaction_files (run_id);
COMMENT ON TABLE ingest.transaction_files IS 'The ledger: every version of every export file, and what became of its lines';
COMMENT ON COLUMN ingest.transaction_files.file_id IS 'Number of this version';
COMMENT ON COLUMN ingest.transaction_files.path IS 'Absolute path on disk; of a table''s rows table:<name>/<hour>';
COMMENT ON COLUMN ingest.transaction_files.member IS 'Name within the archive; empty for a plain file';
COMMENT ON COLUMN ingest.transaction_files.size IS 'Bytes on disk (of the archive, for a member); -1: it could not be looked at';
COMMENT ON COLUMN ingest.transaction_files.modified_ns IS 'Time of change, nanoseconds since the epoch';
COMMENT ON COLUMN ingest.transaction_files.status IS
    'landed, superseded (by a later version), unreadable or withdrawn (by people)';
COMMENT ON COLUMN ingest.transaction_files.reason IS 'Why the file is unreadable, or was withdrawn';
COMMENT ON COLUMN ingest.transaction_files.content_hash IS 'BLAKE3 of the bytes, 64 digits; of a table''s rows their fingerprint';
COMMENT ON COLUMN ingest.transaction_files.content_id IS
    'Number of its content in the lake; equal contents of one contract share it';
COMMENT ON COLUMN ingest.transaction_files.constituency_id IS 'Contract id from the file''s name; NULL for rows of a table';
COMMENT ON COLUMN ingest.transaction_files.region_code IS 'From the path';
COMMENT ON COLUMN ingest.transaction_files.region IS 'From the path';
COMMENT ON COLUMN ingest.transaction_files.election IS 'Election''s name from the path';
COMMENT ON COLUMN ingest.transaction_files.constituency IS 'Constituency''s name from the path';
COMMENT ON COLUMN ingest.transaction_files.interval_start IS 'Start of the interval in the name, local wall clock';
COMMENT ON COLUMN ingest.transaction_files.interval_end IS 'End of the interval in the name, local wall clock';
COMMENT ON COLUMN ingest.transaction_files.lines IS 'Lines in the file: rows + rollbacks + repeated + rejected';
COMMENT ON COLUMN ingest.transaction_files.rows IS 'Lines landed as transactions';
COMMENT ON COLUMN ingest.transaction_files.rollbacks IS 'Lines that withdraw a transaction';
COMMENT ON COLUMN ingest.transaction_files.repeated IS 'Lines that repeat an id of the same file';
COMMENT ON COLUMN ingest.transaction_files.rejected IS 'Lines in quarantine';
COMMENT ON COLUMN ingest.transaction_files.first_transaction_at IS 'First transaction of the file';
COMMENT ON COLUMN ingest.transaction_files.last_transaction_at IS 'Last transaction of the file';
COMMENT ON COLUMN ingest.transaction_files.run_id IS 'Dagster run that landed it';
COMMENT ON COLUMN ingest.transaction_files.seen_at IS 'When this version was recorded';
COMMENT ON COLUMN ingest.transaction_files.withdrawn_at IS 'When people withdrew it; NULL: they did not';
COMMENT ON COLUMN ingest.transaction_files.withdrawn_as IS
    'What they named to withdraw it: a path, a content_hash, an election or a contract';
COMMENT ON COLUMN ingest.transaction_files.gone_at IS
    'Since when its path does not exist; NULL: it existed when its folder was listed last';

CREATE TABLE metrics.constituency_reference (
    constituency_id text NOT NULL,
    election text,
    name text,
    region_code text,
    region text,
    time_zone text,
    registered_voters bigint,
    starts_at timestamptz,
    ends_at timestamptz,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    CONSTRAINT constituency_reference_pkey PRIMARY KEY (constituency_id),
    CONSTRAINT constituency_reference_not_negative_check CHECK (registered_voters >= 0),
    CONSTRAINT constituency_reference_times_check CHECK (ends_at > starts_at)
);
COMMENT ON TABLE metrics.constituency_reference IS 'Overrides of constituencies, with precedence over the reference file, the transactions and the paths';
COMMENT ON COLUMN metrics.constituency_reference.constituency_id IS 'Contract id (base58); it need not have sent anything yet';
COMMENT ON COLUMN metrics.constituency_reference.election IS
    'Name of the election it votes in; NULL: no override, as in every column';
COMMENT ON COLUMN metrics.constituency_reference.name IS 'Name of the constituency';
COMMENT ON COLUMN metrics.constituency_reference.region_code IS 'Region''s code as the portal writes it';
COMMENT ON COLUMN metrics.constituency_reference.region IS 'Region''s name';
COMMENT ON COLUMN metrics.constituency_reference.time_zone IS 'IANA time zone';
COMMENT ON COLUMN metrics.constituency_reference.registered_voters IS 'Registered voters, at all times';
COMMENT ON COLUMN metrics.constituency_reference.starts_at IS 'Voting starts';
COMMENT ON COLUMN metrics.constituency_reference.ends_at IS 'Voting ends';
COMMENT ON COLUMN metrics.constituency_reference.set_by IS 'Who set it';
COMMENT ON COLUMN metrics.constituency_reference.set_at IS 'When';

CREATE TABLE metrics.election_reference (
    election_id text NOT NULL,
    name text,
    time_zone text,
    opens_at timestamp,
    closes_at timestamp,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    CONSTRAINT election_reference_pkey PRIMARY KEY (election_id),
    CONSTRAINT election_reference_times_check CHECK (closes_at > opens_at)
);
COMMENT ON TABLE metrics.election_reference IS 'Overrides of elections: name, time zone, and voting times that hold in every time zone';
COMMENT ON COLUMN metrics.election_reference.election_id IS 'Election';
COMMENT ON COLUMN metrics.election_reference.name IS 'Name to show; NULL: no override, as in every column';
COMMENT ON COLUMN metrics.election_reference.time_zone IS
    'IANA time zone in which the election is shown; that of a constituency is its own';
COMMENT ON COLUMN metrics.election_reference.opens_at IS
    'Voting starts, local wall clock of each constituency without its own override';
COMMENT ON COLUMN metrics.election_reference.closes_at IS
    'Voting ends, local wall clock of each constituency without its own override';
COMMENT ON COLUMN metrics.election_reference.set_by IS 'Who set it';
COMMENT ON COLUMN metrics.election_reference.set_at IS 'When';

CREATE TABLE metrics.elections (
    election_id text NOT NULL,
    name text NOT NULL,
    starts_at timestamptz,
    ends_at timestamptz,
    time_zone text NOT NULL,
    status text,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT elections_pkey PRIMARY KEY (election_id),
    CONSTRAINT elections_status_check CHECK (status IN ('scheduled', 'active', 'completed')),
    CONSTRAINT elections_times_check CHECK (ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at)
);
COMMENT ON TABLE metrics.elections IS 'Elections: names, voting times and status';
COMMENT ON COLUMN metrics.elections.election_id IS 'Readable id made from the name';
COMMENT ON COLUMN metrics.elections.name IS 'Name, one across regions';
COMMENT ON COLUMN metrics.elections.starts_at IS 'First constituency''s voting starts; NULL where not known';
COMMENT ON COLUMN metrics.elections.ends_at IS 'Last constituency''s voting ends; NULL while any constituency''s is not known';
COMMENT ON COLUMN metrics.elections.time_zone IS 'IANA time zone: the override, else that of most registered voters';
COMMENT ON COLUMN metrics.elections.status IS
    'scheduled, active or completed at computed_at, from the voting times; NULL where not known';
COMMENT ON COLUMN metrics.elections.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.elections.computed_at IS 'When the row was computed';

CREATE TABLE ingest.constituency_registry (
    constituency_id text NOT NULL,
    election_id text NOT NULL,
    name text,
    region_code text,
    region text,
    time_zone text NOT NULL,
    is_zone_assumed boolean NOT NULL,
    registered_voters bigint,
    reference_voters bigint,
    starts_at timestamptz,
    ends_at timestamptz,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT constituency_registry_pkey PRIMARY KEY (constituency_id),
    CONSTRAINT constituency_registry_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id)
);
CREATE INDEX constituency_registry_election_id_idx ON ingest.constituency_registry (election_id);
COMMENT ON TABLE ingest.constituency_registry IS 'Constituencies as known now; metrics.constituencies is updated together with the figures';
COMMENT ON COLUMN ingest.constituency_registry.constituency_id IS 'Contract id (base58)';
COMMENT ON COLUMN ingest.constituency_registry.election_id IS 'Election it votes in';
COMMENT ON COLUMN ingest.constituency_registry.name IS 'Name of the constituency; NULL where no path or reference has it';
COMMENT ON COLUMN ingest.constituency_registry.region_code IS 'Region''s code as the portal writes it';
COMMENT ON COLUMN ingest.constituency_registry.region IS 'Region''s name';
COMMENT ON COLUMN ingest.constituency_registry.time_zone IS 'IANA time zone';
COMMENT ON COLUMN ingest.constituency_registry.is_zone_assumed IS
    'Whether its time zone was assumed: its region is not known, or not named and no default was chosen';
COMMENT ON COLUMN ingest.constituency_registry.registered_voters IS 'Registered voters now; NULL where not known';
COMMENT ON COLUMN ingest.constituency_registry.reference_voters IS
    'Registered voters in the overrides or the reference file; NULL if neither has them';
COMMENT ON COLUMN ingest.constituency_registry.starts_at IS 'Voting starts; NULL where not known';
COMMENT ON COLUMN ingest.constituency_registry.ends_at IS
    'Voting ends (bulletins; votes are taken 15 minutes longer); NULL where not known';
COMMENT ON COLUMN ingest.constituency_registry.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN ingest.constituency_registry.computed_at IS 'When the row was computed';

CREATE TABLE metrics.anomaly_thresholds (
    election_id text NOT NULL,
    rule text NOT NULL,
    threshold text NOT NULL,
    value double precision NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    CONSTRAINT anomaly_thresholds_pkey PRIMARY KEY (election_id, rule, threshold),
    CONSTRAINT anomaly_thresholds_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id)
);
COMMENT ON TABLE metrics.anomaly_thresholds IS 'Thresholds of anomaly rules that differ from their defaults';
COMMENT ON COLUMN metrics.anomaly_thresholds.election_id IS 'Election';
COMMENT ON COLUMN metrics.anomaly_thresholds.rule IS 'Rule';
COMMENT ON COLUMN metrics.anomaly_thresholds.threshold IS
    'Name of the threshold (docs/anomaly-rules.md lists them with their defaults)';
COMMENT ON COLUMN metrics.anomaly_thresholds.value IS 'Value for this election instead of the default';
COMMENT ON COLUMN metrics.anomaly_thresholds.set_by IS 'Who set it';
COMMENT ON COLUMN metrics.anomaly_thresholds.set_at IS 'When';

CREATE TABLE metrics.constituencies (
    constituency_id text NOT NULL,
    election_id text NOT NULL,
    name text,
    region_code text,
    region text,
    time_zone text NOT NULL,
    is_zone_assumed boolean NOT NULL,
    registered_voters bigint,
    reference_voters bigint,
    starts_at timestamptz,
    ends_at timestamptz,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT constituencies_pkey PRIMARY KEY (constituency_id),
    CONSTRAINT constituencies_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections (election_id)
);
CREATE INDEX constituencies_election_id_idx ON metrics.constituencies (election_id);
COMMENT ON TABLE metrics.constituencies IS 'Constituencies (one voting, that is one smart contract), consistent with the published figures';
COMMENT ON COLUMN metrics.constituencies.constituency_id IS 'Contract id (base58)';
COMMENT ON COLUMN metrics.constituencies.election_id IS 'Election it votes in';
COMMENT ON COLUMN metrics.constituencies.name IS 'Name of the constituency; NULL where no path or reference has it';
COMMENT ON COLUMN metrics.constituencies.region_code IS 'Region''s code as the portal writes it';
COMMENT ON COLUMN metrics.constituencies.region IS 'Region''s name';
COMMENT ON COLUMN metrics.constituencies.time_zone IS 'IANA time zone';
COMMENT ON COLUMN metrics.constituencies.is_zone_assumed IS
    'Whether its time zone was assumed: its region is not known, or not named and no default was chosen';
COMMENT ON COLUMN metrics.constituencies.registered_voters IS 'Registered voters now; NULL where not known';
COMMENT ON COLUMN metrics.constituencies.reference_voters IS
    'Registered voters in the overrides or the reference file; NULL if neither has them';
COMMENT ON COLUMN metrics.constituencies.starts_at IS 'Voting starts; NULL where not known';
COMMENT ON COLUMN metrics.constituencies.ends_at IS
    'Voting ends (bulletins; votes are taken 15 minutes longer); NULL where not known';
COMMENT ON COLUMN metrics.constituencies.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.constituencies.computed_at IS 'When the row was computed';

CREATE TABLE metrics.election_hours (
    election_id text NOT NULL,
    hour timestamptz NOT NULL,
    constituencies_active bigint NOT NULL,
    transaction_count bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    bulletins_failed bigint NOT NULL,
    votes_cast bigint NOT NULL,
    votes_rejected bigint NOT NULL,
    votes_unknown bigint NOT NULL,
    revotes bigint NOT NULL,
    withdrawn bigint NOT NULL,
    anomaly_count bigint NOT NULL,
    bulletin_velocity double precision,
    vote_velocity double precision,
    outside_voting bigint NOT NULL,
    last_transaction_at timestamptz,
    registered_voters bigint,
    participation_rate double precision,
    running_bulletins bigint NOT NULL,
    running_votes bigint NOT NULL,
    running_participation_rate double precision,
    running_issue_rate double precision,
    running_gap_rate double precision,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT election_hours_pkey PRIMARY KEY (election_id, hour),
    CONSTRAINT election_hours_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections (election_id),
    CONSTRAINT election_hours_not_negative_check CHECK (transaction_count >= 0 AND bulletins_issued >= 0 AND
        bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0
        AND withdrawn >= 0 AND anomaly_count >= 0 AND constituencies_active >= 0 AND outside_voting >= 0 AND
        running_bulletins >= 0 AND running_votes >= 0)
);
COMMENT ON TABLE metrics.election_hours IS 'Each hour of an election: hourly_stats summed over its constituencies, with running totals';
COMMENT ON COLUMN metrics.election_hours.election_id IS 'Election';
COMMENT ON COLUMN metrics.election_hours.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.election_hours.constituencies_active IS 'Constituencies with a transaction in the hour';
COMMENT ON COLUMN metrics.election_hours.transaction_count IS
    'Distinct transactions that count, whatever their outcome; withdrawn ones are not included';
COMMENT ON COLUMN metrics.election_hours.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.election_hours.bulletins_failed IS 'Issue calls that failed';
COMMENT ON COLUMN metrics.election_hours.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.election_hours.votes_rejected IS 'Votes that failed';
COMMENT ON COLUMN metrics.election_hours.votes_unknown IS 'Votes with neither a failure nor a recorded vote';
COMMENT ON COLUMN metrics.election_hours.revotes IS 'Accepted votes of a voter key after its first';
COMMENT ON COLUMN metrics.election_hours.withdrawn IS 'Transactions withdrawn by a rollback, in their own hour';
COMMENT ON COLUMN metrics.election_hours.anomaly_count IS
    'Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes that a table''s owner flags or that are outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.election_hours.bulletin_velocity IS
    'Bulletins per hour; for the hour in progress, per elapsed part of it';
COMMENT ON COLUMN metrics.election_hours.vote_velocity IS 'Votes per hour; for the hour in progress, per elapsed part of it';
COMMENT ON COLUMN metrics.election_hours.outside_voting IS
    'Bulletins issued and votes cast outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.election_hours.last_transaction_at IS 'Last transaction that counts';
COMMENT ON COLUMN metrics.election_hours.registered_voters IS
    'Registered voters of the election at the end of the hour; NULL while that of a constituency that has sent bulletins or votes is not known';
COMMENT ON COLUMN metrics.election_hours.participation_rate IS
    'Votes of the hour / registered voters * 100; NULL where the register is 0 or not known';
COMMENT ON COLUMN metrics.election_hours.running_bulletins IS 'Bulletins issued from the first hour to the end of this one';
COMMENT ON COLUMN metrics.election_hours.running_votes IS 'Votes cast from the first hour to the end of this one';
COMMENT ON COLUMN metrics.election_hours.running_participation_rate IS
    'Running votes / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.election_hours.running_issue_rate IS
    'Running bulletins / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.election_hours.running_gap_rate IS
    'Running bulletins less running votes, / running bulletins * 100; NULL without any';
COMMENT ON COLUMN metrics.election_hours.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.election_hours.computed_at IS 'When the row was computed';

CREATE TABLE metrics.election_summaries (
    election_id text NOT NULL,
    constituencies_total bigint NOT NULL,
    constituencies_reporting bigint NOT NULL,
    constituencies_silent bigint NOT NULL,
    registered_voters bigint,
    constituencies_without_register bigint NOT NULL,
    constituencies_complete bigint,
    transaction_count bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    bulletins_failed bigint NOT NULL,
    votes_cast bigint NOT NULL,
    votes_rejected bigint NOT NULL,
    votes_unknown bigint NOT NULL,
    revotes bigint NOT NULL,
    withdrawn bigint NOT NULL,
    anomaly_count bigint NOT NULL,
    participation_rate double precision,
    gap bigint NOT NULL,
    gap_rate double precision,
    hours_expected bigint,
    hours_delivered bigint,
    coverage double precision,
    rejected_lines bigint NOT NULL,
    peak_hour timestamptz,
    peak_votes bigint,
    first_transaction_at timestamptz,
    last_transaction_at timestamptz,
    issue_rate double precision,
    anomaly_score double precision,
    anomalies_critical bigint NOT NULL,
    anomalies_warning bigint NOT NULL,
    anomalies_info bigint NOT NULL,
    anomalies_by_rule jsonb NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT election_summaries_pkey PRIMARY KEY (election_id),
    CONSTRAINT election_summaries_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id),
    CONSTRAINT election_summaries_not_negative_check CHECK (transaction_count >= 0 AND bulletins_issued >= 0 AND
        bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0
        AND withdrawn >= 0 AND anomaly_count >= 0 AND constituencies_silent >= 0 AND rejected_lines >= 0)
);
COMMENT ON TABLE metrics.election_summaries IS 'Each election in one row: totals, participation, gap, coverage, freshness';
COMMENT ON COLUMN metrics.election_summaries.election_id IS 'Election';
COMMENT ON COLUMN metrics.election_summaries.constituencies_total IS 'Constituencies in the registry';
COMMENT ON COLUMN metrics.election_summaries.constituencies_reporting IS 'Constituencies with at least one bulletin issued or vote cast';
COMMENT ON COLUMN metrics.election_summaries.constituencies_silent IS 'Those without';
COMMENT ON COLUMN metrics.election_summaries.registered_voters IS
    'Registered voters now, of the constituencies whose register is known; NULL if none';
COMMENT ON COLUMN metrics.election_summaries.constituencies_without_register IS 'Constituencies whose register is not known';
COMMENT ON COLUMN metrics.election_summaries.constituencies_complete IS
    'Constituencies of which every expected hour has arrived; NULL as hours_expected';
COMMENT ON COLUMN metrics.election_summaries.transaction_count IS
    'Distinct transactions that count, whatever their outcome; withdrawn ones are not included';
COMMENT ON COLUMN metrics.election_summaries.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.election_summaries.bulletins_failed IS 'Issue calls that failed';
COMMENT ON COLUMN metrics.election_summaries.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.election_summaries.votes_rejected IS 'Votes that failed';
COMMENT ON COLUMN metrics.election_summaries.votes_unknown IS 'Votes with neither a failure nor a recorded vote';
COMMENT ON COLUMN metrics.election_summaries.revotes IS 'Accepted votes of a voter key after its first';
COMMENT ON COLUMN metrics.election_summaries.withdrawn IS 'Transactions withdrawn by a rollback, in their own hour';
COMMENT ON COLUMN metrics.election_summaries.anomaly_count IS
    'Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes that a table''s owner flags or that are outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.election_summaries.participation_rate IS
    'Votes cast / registered voters * 100; NULL where the register is 0 or not known, and while a reporting constituency has none';
COMMENT ON COLUMN metrics.election_summaries.gap IS 'Bulletins issued less votes cast';
COMMENT ON COLUMN metrics.election_summaries.gap_rate IS 'Gap / bulletins issued * 100; NULL without bulletins';
COMMENT ON COLUMN metrics.election_summaries.hours_expected IS
    'Constituency hours of voting that should have arrived by now; NULL if neither voting times nor the other constituencies of the region tell what to expect';
COMMENT ON COLUMN metrics.election_summaries.hours_delivered IS
    'Expected hours that a landed file covers by its name or by its transactions, or a table that was read since';
COMMENT ON COLUMN metrics.election_summaries.coverage IS
    'Hours delivered / hours expected * 100; NULL where not known or none expected yet';
COMMENT ON COLUMN metrics.election_summaries.rejected_lines IS
    'Lines that cannot be read, of this election''s files and of tables with its constituencies';
COMMENT ON COLUMN metrics.election_summaries.peak_hour IS 'Hour with the most votes, the first of equals; NULL without votes';
COMMENT ON COLUMN metrics.election_summaries.peak_votes IS 'Votes of the peak hour; NULL without votes';
COMMENT ON COLUMN metrics.election_summaries.first_transaction_at IS 'First transaction that counts';
COMMENT ON COLUMN metrics.election_summaries.last_transaction_at IS 'Last transaction that counts; a vote may be silent for hours';
COMMENT ON COLUMN metrics.election_summaries.issue_rate IS 'Bulletins issued / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.election_summaries.anomaly_score IS
    'Anomalous transactions / transactions * 100; NULL without transactions';
COMMENT ON COLUMN metrics.election_summaries.anomalies_critical IS 'Critical findings that are open or acknowledged';
COMMENT ON COLUMN metrics.election_summaries.anomalies_warning IS 'Warnings that are open or acknowledged';
COMMENT ON COLUMN metrics.election_summaries.anomalies_info IS 'Informative findings that are open or acknowledged';
COMMENT ON COLUMN metrics.election_summaries.anomalies_by_rule IS 'Findings that are open or acknowledged, by rule';
COMMENT ON COLUMN metrics.election_summaries.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.election_summaries.computed_at IS 'When the row was computed';

CREATE TABLE metrics.reconciliations (
    election_id text NOT NULL,
    first_hour timestamptz NOT NULL,
    last_hour timestamptz NOT NULL,
    hours bigint NOT NULL,
    rows_compared bigint NOT NULL,
    rows_differing bigint NOT NULL,
    transactions bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    votes_cast bigint NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT reconciliations_pkey PRIMARY KEY (election_id),
    CONSTRAINT reconciliations_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id),
    CONSTRAINT reconciliations_not_negative_check CHECK (hours >= 0 AND rows_compared >= 0 AND rows_differing >=
        0 AND transactions >= 0 AND bulletins_issued >= 0 AND votes_cast >= 0)
);
COMMENT ON TABLE metrics.reconciliations IS 'The last time every hour of an election was counted again from the raw transactions';
COMMENT ON COLUMN metrics.reconciliations.election_id IS 'Election';
COMMENT ON COLUMN metrics.reconciliations.first_hour IS 'First hour compared (UTC)';
COMMENT ON COLUMN metrics.reconciliations.last_hour IS 'Last hour compared (UTC)';
COMMENT ON COLUMN metrics.reconciliations.hours IS 'Hours with transactions that were counted again from the lake';
COMMENT ON COLUMN metrics.reconciliations.rows_compared IS 'Rows of hourly_stats that were compared, every figure of each';
COMMENT ON COLUMN metrics.reconciliations.rows_differing IS 'Rows that differed; their hours were marked stale and computed again';
COMMENT ON COLUMN metrics.reconciliations.transactions IS 'Distinct transactions that count, counted again';
COMMENT ON COLUMN metrics.reconciliations.bulletins_issued IS 'Bulletins issued, counted again';
COMMENT ON COLUMN metrics.reconciliations.votes_cast IS 'Votes cast, counted again';
COMMENT ON COLUMN metrics.reconciliations.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.reconciliations.computed_at IS 'When the row was computed';

CREATE TABLE metrics.region_summaries (
    election_id text NOT NULL,
    region text NOT NULL,
    constituencies_total bigint NOT NULL,
    constituencies_reporting bigint NOT NULL,
    constituencies_silent bigint NOT NULL,
    constituencies_complete bigint,
    registered_voters bigint,
    constituencies_without_register bigint NOT NULL,
    transaction_count bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    bulletins_failed bigint NOT NULL,
    votes_cast bigint NOT NULL,
    votes_rejected bigint NOT NULL,
    votes_unknown bigint NOT NULL,
    revotes bigint NOT NULL,
    withdrawn bigint NOT NULL,
    anomaly_count bigint NOT NULL,
    participation_rate double precision,
    issue_rate double precision,
    gap bigint NOT NULL,
    gap_rate double precision,
    anomaly_score double precision,
    hours_expected bigint,
    hours_delivered bigint,
    coverage double precision,
    peak_hour timestamptz,
    peak_votes bigint,
    first_transaction_at timestamptz,
    last_transaction_at timestamptz,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT region_summaries_pkey PRIMARY KEY (election_id, region),
    CONSTRAINT region_summaries_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id),
    CONSTRAINT region_summaries_not_negative_check CHECK (transaction_count >= 0 AND bulletins_issued >= 0 AND
        bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0
        AND withdrawn >= 0 AND anomaly_count >= 0 AND constituencies_silent >= 0)
);
COMMENT ON TABLE metrics.region_summaries IS 'Each region of an election in one row';
COMMENT ON COLUMN metrics.region_summaries.election_id IS 'Election';
COMMENT ON COLUMN metrics.region_summaries.region IS 'Region''s name; empty for constituencies of no known region';
COMMENT ON COLUMN metrics.region_summaries.constituencies_total IS 'Constituencies in the registry';
COMMENT ON COLUMN metrics.region_summaries.constituencies_reporting IS 'Constituencies with at least one bulletin issued or vote cast';
COMMENT ON COLUMN metrics.region_summaries.constituencies_silent IS 'Those without';
COMMENT ON COLUMN metrics.region_summaries.constituencies_complete IS
    'Constituencies of which every expected hour has arrived; NULL as hours_expected';
COMMENT ON COLUMN metrics.region_summaries.registered_voters IS
    'Registered voters now, of the constituencies whose register is known; NULL if none';
COMMENT ON COLUMN metrics.region_summaries.constituencies_without_register IS 'Constituencies whose register is not known';
COMMENT ON COLUMN metrics.region_summaries.transaction_count IS
    'Distinct transactions that count, whatever their outcome; withdrawn ones are not included';
COMMENT ON COLUMN metrics.region_summaries.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.region_summaries.bulletins_failed IS 'Issue calls that failed';
COMMENT ON COLUMN metrics.region_summaries.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.region_summaries.votes_rejected IS 'Votes that failed';
COMMENT ON COLUMN metrics.region_summaries.votes_unknown IS 'Votes with neither a failure nor a recorded vote';
COMMENT ON COLUMN metrics.region_summaries.revotes IS 'Accepted votes of a voter key after its first';
COMMENT ON COLUMN metrics.region_summaries.withdrawn IS 'Transactions withdrawn by a rollback, in their own hour';
COMMENT ON COLUMN metrics.region_summaries.anomaly_count IS
    'Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes that a table''s owner flags or that are outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.region_summaries.participation_rate IS
    'Votes cast / registered voters * 100; NULL where the register is 0 or not known, and while a reporting constituency has none';
COMMENT ON COLUMN metrics.region_summaries.issue_rate IS 'Bulletins issued / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.region_summaries.gap IS 'Bulletins issued less votes cast';
COMMENT ON COLUMN metrics.region_summaries.gap_rate IS 'Gap / bulletins issued * 100; NULL without bulletins';
COMMENT ON COLUMN metrics.region_summaries.anomaly_score IS
    'Anomalous transactions / transactions * 100; NULL without transactions';
COMMENT ON COLUMN metrics.region_summaries.hours_expected IS
    'Constituency hours of voting that should have arrived by now; NULL if neither voting times nor the other constituencies of the region tell what to expect';
COMMENT ON COLUMN metrics.region_summaries.hours_delivered IS
    'Expected hours that a landed file covers by its name or by its transactions, or a table that was read since';
COMMENT ON COLUMN metrics.region_summaries.coverage IS
    'Hours delivered / hours expected * 100; NULL where not known or none expected yet';
COMMENT ON COLUMN metrics.region_summaries.peak_hour IS 'Hour with the most votes, the first of equals; NULL without votes';
COMMENT ON COLUMN metrics.region_summaries.peak_votes IS 'Votes of the peak hour; NULL without votes';
COMMENT ON COLUMN metrics.region_summaries.first_transaction_at IS 'First transaction that counts';
COMMENT ON COLUMN metrics.region_summaries.last_transaction_at IS 'Last transaction that counts; a vote may be silent for hours';
COMMENT ON COLUMN metrics.region_summaries.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.region_summaries.computed_at IS 'When the row was computed';

CREATE TABLE metrics.anomalies (
    anomaly_id text NOT NULL,
    election_id text NOT NULL,
    constituency_id text,
    region text,
    rule text NOT NULL,
    severity text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    observed double precision,
    expected double precision,
    explanation text NOT NULL,
    state text NOT NULL,
    state_by text NOT NULL,
    state_at timestamptz NOT NULL,
    state_note text,
    detected_at timestamptz NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT anomalies_pkey PRIMARY KEY (anomaly_id),
    CONSTRAINT anomalies_constituency_id_fkey FOREIGN KEY(constituency_id) REFERENCES metrics.constituencies
        (constituency_id),
    CONSTRAINT anomalies_severity_check CHECK (severity IN ('critical', 'warning', 'info')),
    CONSTRAINT anomalies_state_check CHECK (state IN ('open', 'acknowledged', 'resolved')),
    CONSTRAINT anomalies_window_check CHECK (window_end > window_start)
);
CREATE INDEX anomalies_constituency_id_idx ON metrics.anomalies (constituency_id);
CREATE INDEX anomalies_election_id_state_idx ON metrics.anomalies (election_id, state);
COMMENT ON TABLE metrics.anomalies IS 'Findings, each with its explanation and state; none is ever deleted';
COMMENT ON COLUMN metrics.anomalies.anomaly_id IS 'Readable id, the same through every recomputation';
COMMENT ON COLUMN metrics.anomalies.election_id IS 'Election';
COMMENT ON COLUMN metrics.anomalies.constituency_id IS 'Constituency; NULL for a finding on a region or the whole election';
COMMENT ON COLUMN metrics.anomalies.region IS
    'Region; NULL for a finding on the whole election, and where a constituency''s is not known';
COMMENT ON COLUMN metrics.anomalies.rule IS 'Rule that fired (docs/anomaly-rules.md says what each one means)';
COMMENT ON COLUMN metrics.anomalies.severity IS 'critical, warning or info';
COMMENT ON COLUMN metrics.anomalies.window_start IS 'First hour of the finding (start, UTC)';
COMMENT ON COLUMN metrics.anomalies.window_end IS 'End of the last hour of the finding';
COMMENT ON COLUMN metrics.anomalies.observed IS 'Observed value, in the unit that the explanation names';
COMMENT ON COLUMN metrics.anomalies.expected IS 'Expected value, in the same unit';
COMMENT ON COLUMN metrics.anomalies.explanation IS 'The finding in words, with its figures';
COMMENT ON COLUMN metrics.anomalies.state IS 'open, acknowledged or resolved';
COMMENT ON COLUMN metrics.anomalies.state_by IS 'Who set the state: a person, or system';
COMMENT ON COLUMN metrics.anomalies.state_at IS 'When';
COMMENT ON COLUMN metrics.anomalies.state_note IS 'Why: a person''s note, or the reason why the system closed it';
COMMENT ON COLUMN metrics.anomalies.detected_at IS 'When it was first found';
COMMENT ON COLUMN metrics.anomalies.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.anomalies.computed_at IS 'When the row was computed';

CREATE TABLE metrics.constituency_metrics (
    election_id text NOT NULL,
    constituency_id text NOT NULL,
    period text NOT NULL,
    period_start timestamptz NOT NULL,
    transaction_count bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    bulletins_failed bigint NOT NULL,
    votes_cast bigint NOT NULL,
    votes_rejected bigint NOT NULL,
    votes_unknown bigint NOT NULL,
    revotes bigint NOT NULL,
    withdrawn bigint NOT NULL,
    anomaly_count bigint NOT NULL,
    anomaly_score double precision,
    registered_voters bigint,
    participation_rate double precision,
    gap bigint NOT NULL,
    gap_rate double precision,
    voting_hours bigint NOT NULL,
    average_bulletins_per_hour double precision,
    average_votes_per_hour double precision,
    peak_hour timestamptz,
    peak_votes bigint,
    running_bulletins bigint NOT NULL,
    running_votes bigint NOT NULL,
    running_participation_rate double precision,
    running_issue_rate double precision,
    running_gap_rate double precision,
    issue_rate double precision,
    bulletin_trend double precision,
    vote_trend double precision,
    activity_pattern bigint[],
    first_transaction_at timestamptz,
    last_transaction_at timestamptz,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT constituency_metrics_pkey PRIMARY KEY (constituency_id, period, period_start),
    CONSTRAINT constituency_metrics_constituency_id_fkey FOREIGN KEY(constituency_id) REFERENCES
        metrics.constituencies (constituency_id),
    CONSTRAINT constituency_metrics_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id),
    CONSTRAINT constituency_metrics_not_negative_check CHECK (transaction_count >= 0 AND bulletins_issued >= 0
        AND bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >=
        0 AND withdrawn >= 0 AND anomaly_count >= 0 AND voting_hours >= 0 AND running_bulletins >= 0 AND
        running_votes >= 0),
    CONSTRAINT constituency_metrics_period_check CHECK (period IN ('hour', 'day', 'week', 'month', 'election'))
);
CREATE INDEX constituency_metrics_election_id_period_period_start_idx ON metrics.constituency_metrics (election_id, period, period_start);
COMMENT ON TABLE metrics.constituency_metrics IS 'Each constituency by hour, day, week, month (in its time zone) and whole election';
COMMENT ON COLUMN metrics.constituency_metrics.election_id IS 'Election';
COMMENT ON COLUMN metrics.constituency_metrics.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.constituency_metrics.period IS 'hour, day, week (ISO), month or election';
COMMENT ON COLUMN metrics.constituency_metrics.period_start IS
    'Start of the period: of an hour, its own; of an election, its first hour with transactions; else midnight in the constituency''s time zone';
COMMENT ON COLUMN metrics.constituency_metrics.transaction_count IS
    'Distinct transactions that count, whatever their outcome; withdrawn ones are not included';
COMMENT ON COLUMN metrics.constituency_metrics.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.constituency_metrics.bulletins_failed IS 'Issue calls that failed';
COMMENT ON COLUMN metrics.constituency_metrics.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.constituency_metrics.votes_rejected IS 'Votes that failed';
COMMENT ON COLUMN metrics.constituency_metrics.votes_unknown IS 'Votes with neither a failure nor a recorded vote';
COMMENT ON COLUMN metrics.constituency_metrics.revotes IS 'Accepted votes of a voter key after its first';
COMMENT ON COLUMN metrics.constituency_metrics.withdrawn IS 'Transactions withdrawn by a rollback, in their own hour';
COMMENT ON COLUMN metrics.constituency_metrics.anomaly_count IS
    'Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes that a table''s owner flags or that are outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.constituency_metrics.anomaly_score IS
    'Anomalous transactions / transactions * 100; NULL without transactions';
COMMENT ON COLUMN metrics.constituency_metrics.registered_voters IS
    'Registered voters at the period''s last hour; for an election, now; NULL where not known';
COMMENT ON COLUMN metrics.constituency_metrics.participation_rate IS
    'Votes of the period / registered voters * 100; NULL where the register is 0 or not known';
COMMENT ON COLUMN metrics.constituency_metrics.gap IS 'Bulletins issued less votes cast';
COMMENT ON COLUMN metrics.constituency_metrics.gap_rate IS 'Gap / bulletins issued * 100; NULL without bulletins';
COMMENT ON COLUMN metrics.constituency_metrics.voting_hours IS
    'Hours from the period''s first to its last with bulletins or votes, silent ones included';
COMMENT ON COLUMN metrics.constituency_metrics.average_bulletins_per_hour IS 'Bulletins issued / voting hours; NULL without any';
COMMENT ON COLUMN metrics.constituency_metrics.average_votes_per_hour IS 'Votes cast / voting hours; NULL without any';
COMMENT ON COLUMN metrics.constituency_metrics.peak_hour IS 'Hour with the most votes, the first of equals; NULL without votes';
COMMENT ON COLUMN metrics.constituency_metrics.peak_votes IS 'Votes of the peak hour; NULL without votes';
COMMENT ON COLUMN metrics.constituency_metrics.running_bulletins IS 'Bulletins issued from the first hour to the end of the period';
COMMENT ON COLUMN metrics.constituency_metrics.running_votes IS 'Votes cast from the first hour to the end of the period';
COMMENT ON COLUMN metrics.constituency_metrics.running_participation_rate IS
    'Running votes / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.constituency_metrics.running_issue_rate IS
    'Running bulletins / registered voters * 100; NULL as participation_rate';
COMMENT ON COLUMN metrics.constituency_metrics.running_gap_rate IS
    'Running bulletins less running votes, / running bulletins * 100; NULL without any';
COMMENT ON COLUMN metrics.constituency_metrics.issue_rate IS
    'Bulletins issued / registered voters * 100; NULL where the register is 0 or not known';
COMMENT ON COLUMN metrics.constituency_metrics.bulletin_trend IS
    'Slope of the least-squares line through the bulletins of the voting hours, silent ones being 0: bulletins an hour per hour; NULL for fewer than two of them';
COMMENT ON COLUMN metrics.constituency_metrics.vote_trend IS 'The same of votes: votes an hour per hour';
COMMENT ON COLUMN metrics.constituency_metrics.activity_pattern IS
    'Votes cast by hour of the local day, 24 values from 00 to 23; NULL for period hour';
COMMENT ON COLUMN metrics.constituency_metrics.first_transaction_at IS 'First transaction that counts';
COMMENT ON COLUMN metrics.constituency_metrics.last_transaction_at IS 'Last transaction that counts';
COMMENT ON COLUMN metrics.constituency_metrics.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.constituency_metrics.computed_at IS 'When the row was computed';

CREATE TABLE metrics.hourly_stats (
    election_id text NOT NULL,
    constituency_id text NOT NULL,
    hour timestamptz NOT NULL,
    transaction_count bigint NOT NULL,
    bulletins_issued bigint NOT NULL,
    bulletins_failed bigint NOT NULL,
    votes_cast bigint NOT NULL,
    votes_rejected bigint NOT NULL,
    votes_unknown bigint NOT NULL,
    revotes bigint NOT NULL,
    withdrawn bigint NOT NULL,
    anomaly_count bigint NOT NULL,
    bulletin_velocity double precision,
    vote_velocity double precision,
    registered_voters bigint,
    participation_rate double precision,
    first_transaction_at timestamptz,
    last_transaction_at timestamptz,
    outside_voting bigint NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT hourly_stats_pkey PRIMARY KEY (constituency_id, hour),
    CONSTRAINT hourly_stats_constituency_id_fkey FOREIGN KEY(constituency_id) REFERENCES metrics.constituencies
        (constituency_id),
    CONSTRAINT hourly_stats_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections (election_id),
    CONSTRAINT hourly_stats_not_negative_check CHECK (transaction_count >= 0 AND bulletins_issued >= 0 AND
        bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0
        AND withdrawn >= 0 AND anomaly_count >= 0 AND outside_voting >= 0),
    CONSTRAINT hourly_stats_whole_hour_check CHECK (date_trunc('hour', hour, 'UTC') = hour)
);
CREATE INDEX hourly_stats_election_id_hour_idx ON metrics.hourly_stats (election_id, hour);
CREATE INDEX hourly_stats_hour_idx ON metrics.hourly_stats (hour);
COMMENT ON TABLE metrics.hourly_stats IS 'Counts of each constituency and hour; no row for an hour without transactions';
COMMENT ON COLUMN metrics.hourly_stats.election_id IS 'Election';
COMMENT ON COLUMN metrics.hourly_stats.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.hourly_stats.hour IS 'Start of the hour (UTC)';
COMMENT ON COLUMN metrics.hourly_stats.transaction_count IS
    'Distinct transactions that count, whatever their outcome; withdrawn ones are not included';
COMMENT ON COLUMN metrics.hourly_stats.bulletins_issued IS 'Bulletins issued by calls that did not fail';
COMMENT ON COLUMN metrics.hourly_stats.bulletins_failed IS 'Issue calls that failed';
COMMENT ON COLUMN metrics.hourly_stats.votes_cast IS 'Accepted votes, the first of each voter key';
COMMENT ON COLUMN metrics.hourly_stats.votes_rejected IS 'Votes that failed';
COMMENT ON COLUMN metrics.hourly_stats.votes_unknown IS 'Votes with neither a failure nor a recorded vote';
COMMENT ON COLUMN metrics.hourly_stats.revotes IS 'Accepted votes of a voter key after its first';
COMMENT ON COLUMN metrics.hourly_stats.withdrawn IS 'Transactions withdrawn by a rollback, in their own hour';
COMMENT ON COLUMN metrics.hourly_stats.anomaly_count IS
    'Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes that a table''s owner flags or that are outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.hourly_stats.bulletin_velocity IS 'Bulletins per hour; for the hour in progress, per elapsed part of it';
COMMENT ON COLUMN metrics.hourly_stats.vote_velocity IS 'Votes per hour; for the hour in progress, per elapsed part of it';
COMMENT ON COLUMN metrics.hourly_stats.registered_voters IS 'Registered voters at the end of the hour; NULL where not known';
COMMENT ON COLUMN metrics.hourly_stats.participation_rate IS
    'Votes of the hour / registered voters * 100; NULL where the register is 0 or not known';
COMMENT ON COLUMN metrics.hourly_stats.first_transaction_at IS 'First transaction that counts';
COMMENT ON COLUMN metrics.hourly_stats.last_transaction_at IS 'Last transaction that counts';
COMMENT ON COLUMN metrics.hourly_stats.outside_voting IS
    'Bulletins issued and votes cast outside the voting times (15 minutes'' grace for votes)';
COMMENT ON COLUMN metrics.hourly_stats.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.hourly_stats.computed_at IS 'When the row was computed';

CREATE TABLE metrics.missing_input (
    constituency_id text NOT NULL,
    missing_from timestamptz NOT NULL,
    missing_to timestamptz NOT NULL,
    hours bigint NOT NULL,
    election_id text NOT NULL,
    reason text NOT NULL,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT missing_input_pkey PRIMARY KEY (constituency_id, missing_from),
    CONSTRAINT missing_input_constituency_id_fkey FOREIGN KEY(constituency_id) REFERENCES metrics.constituencies
        (constituency_id),
    CONSTRAINT missing_input_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections (election_id),
    CONSTRAINT missing_input_reason_check CHECK (reason IN ('voting times', 'region'))
);
CREATE INDEX missing_input_election_id_idx ON metrics.missing_input (election_id);
COMMENT ON TABLE metrics.missing_input IS 'Past hours of voting that no landed file covers';
COMMENT ON COLUMN metrics.missing_input.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.missing_input.missing_from IS 'First missing hour (start, UTC)';
COMMENT ON COLUMN metrics.missing_input.missing_to IS 'End of the last missing hour without a break';
COMMENT ON COLUMN metrics.missing_input.hours IS 'Number of missing hours';
COMMENT ON COLUMN metrics.missing_input.election_id IS 'Election';
COMMENT ON COLUMN metrics.missing_input.reason IS
    'voting times: the polls were open; region: most others of the region delivered it';
COMMENT ON COLUMN metrics.missing_input.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.missing_input.computed_at IS 'When the row was computed';

CREATE TABLE metrics.participation_extremes (
    election_id text NOT NULL,
    side text NOT NULL,
    rank bigint NOT NULL,
    constituency_id text NOT NULL,
    registered_voters bigint NOT NULL,
    votes_cast bigint NOT NULL,
    participation_rate double precision,
    run_id text NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT participation_extremes_pkey PRIMARY KEY (election_id, side, rank),
    CONSTRAINT participation_extremes_constituency_id_fkey FOREIGN KEY(constituency_id) REFERENCES
        metrics.constituencies (constituency_id),
    CONSTRAINT participation_extremes_election_id_fkey FOREIGN KEY(election_id) REFERENCES metrics.elections
        (election_id),
    CONSTRAINT participation_extremes_side_check CHECK (side IN ('leading', 'trailing'))
);
COMMENT ON TABLE metrics.participation_extremes IS 'The ten constituencies with the highest and the lowest participation, of 100 registered voters or more';
COMMENT ON COLUMN metrics.participation_extremes.election_id IS 'Election';
COMMENT ON COLUMN metrics.participation_extremes.side IS 'leading or trailing';
COMMENT ON COLUMN metrics.participation_extremes.rank IS '1 to 10';
COMMENT ON COLUMN metrics.participation_extremes.constituency_id IS 'Constituency';
COMMENT ON COLUMN metrics.participation_extremes.registered_voters IS 'Registered voters now';
COMMENT ON COLUMN metrics.participation_extremes.votes_cast IS 'Votes cast';
COMMENT ON COLUMN metrics.participation_extremes.participation_rate IS 'Votes cast / registered voters * 100';
COMMENT ON COLUMN metrics.participation_extremes.run_id IS 'Dagster run that wrote the row';
COMMENT ON COLUMN metrics.participation_extremes.computed_at IS 'When the row was computed';
