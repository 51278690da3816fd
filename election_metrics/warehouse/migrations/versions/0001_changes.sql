-- Every change of an override, by whatever client, is audited, marks its dependents stale, and notifies listeners.
-- The function runs as its owner, so that roles without these privileges may change the rows.
CREATE FUNCTION ingest.people_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    this jsonb := coalesce(new_row, old_row);
    election text := this ->> 'election_id';
    key text;
BEGIN
    SELECT string_agg(this ->> name, '/' ORDER BY place) INTO key
    FROM unnest(string_to_array(TG_ARGV[1], ',')) WITH ORDINALITY AS keys (name, place);
    INSERT INTO ingest.audit_log (who, action, target, before, after)
    VALUES (
        coalesce(nullif(current_setting('election_metrics.who', true), ''), session_user),
        lower(TG_OP), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME || ' ' || key, old_row, new_row
    );
    IF TG_ARGV[0] = 'registry' THEN
        UPDATE ingest.registry_version SET reference_version = reference_version + 1;
    ELSE
        INSERT INTO ingest.election_versions AS version
            (election_id, hourly_version, metrics_version, summary_version, whole_version)
        VALUES (election, 1, 0, 0, 0)
        ON CONFLICT (election_id) DO UPDATE SET hourly_version = version.hourly_version + 1;
    END IF;
    PERFORM pg_notify('election_metrics_changed', jsonb_build_object(
        'table', TG_TABLE_NAME, 'election_id', election, 'version', pg_current_xact_id()::text)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.constituency_reference
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('registry', 'constituency_id');
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.election_reference
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('registry', 'election_id');
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.anomaly_thresholds
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('election', 'election_id,rule,threshold');
-- The pipeline replaces findings by DELETE and COPY; only people update one.
CREATE TRIGGER people_changed AFTER UPDATE ON metrics.anomalies
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('election', 'anomaly_id');

-- Rows that always exist.
INSERT INTO ingest.registry_version VALUES (true, 0, 0);
INSERT INTO ingest.secrets VALUES ('table_rows', gen_random_uuid()::text || gen_random_uuid()::text);
