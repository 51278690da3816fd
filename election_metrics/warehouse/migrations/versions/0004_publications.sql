-- What was published stays: the commits that published packages show are never thinned out.

CREATE TABLE history.publications (
    sha256 text NOT NULL,
    election_id text NOT NULL,
    commit_number bigint NOT NULL,
    known_at timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    is_signed boolean NOT NULL,
    CONSTRAINT publications_pkey PRIMARY KEY (sha256),
    CONSTRAINT publications_commit_number_fkey FOREIGN KEY (commit_number) REFERENCES history.commits (commit_number)
);
CREATE INDEX publications_commit_number_idx ON history.publications (commit_number);
COMMENT ON TABLE history.publications IS 'Data packages that election-metrics publish wrote; the history keeps the commits that they show';
COMMENT ON COLUMN history.publications.sha256 IS 'SHA-256 of the package''s SHA256SUMS, which names every other file of it';
COMMENT ON COLUMN history.publications.election_id IS 'Election';
COMMENT ON COLUMN history.publications.commit_number IS 'Commit that the package shows';
COMMENT ON COLUMN history.publications.known_at IS 'When that commit was made: the package shows what was known at that time';
COMMENT ON COLUMN history.publications.published_at IS 'When the package was written first';
COMMENT ON COLUMN history.publications.is_signed IS 'Whether SHA256SUMS was signed';

ALTER TABLE ingest.transaction_files ADD COLUMN sha256 text;
COMMENT ON COLUMN ingest.transaction_files.sha256 IS 'SHA-256 of the bytes (of a member: unpacked), as sha256sum prints it; NULL for rows of a table, and for what landed before it was recorded';
