-- What was published stays: the commits that published packages show are never thinned out.

CREATE TABLE history.packages (
    sha256 text NOT NULL,
    election_id text NOT NULL,
    commit_number bigint NOT NULL,
    known_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    is_signed boolean NOT NULL,
    CONSTRAINT packages_pkey PRIMARY KEY (sha256)
);
CREATE INDEX packages_commit_number_idx ON history.packages (commit_number);
COMMENT ON TABLE history.packages IS 'Data packages that election-metrics publish wrote; the history keeps the commits that they show';
COMMENT ON COLUMN history.packages.sha256 IS 'SHA-256 of the package''s SHA256SUMS, which names every other file of it';
COMMENT ON COLUMN history.packages.election_id IS 'Election';
COMMENT ON COLUMN history.packages.commit_number IS 'Commit that the package shows';
COMMENT ON COLUMN history.packages.known_at IS 'When that commit was made: the package shows what was known at that time';
COMMENT ON COLUMN history.packages.published_at IS 'When the package was written first';
COMMENT ON COLUMN history.packages.is_signed IS 'Whether SHA256SUMS was signed';

ALTER TABLE ingest.transaction_files ADD COLUMN sha256 text;
COMMENT ON COLUMN ingest.transaction_files.sha256 IS 'SHA-256 of the bytes (of a member: unpacked), as sha256sum prints it; NULL for rows of a table, and for what landed before it was recorded';
