-- The transactions of clean hours, in which every landed row counts.
-- Takes: clean_rows (the lake's rows of those hours).
SELECT
    transaction_id,
    constituency_id,
    hour_number,
    occurred_ms,
    kind,
    operation,
    quantity,
    registrar,
    precinct_region,
    precinct,
    FALSE AS is_withdrawn,
    FALSE AS is_revote,
    kind IN ('bulletin_issued', 'vote_cast') AND fail_reason IS NOT NULL AS is_flagged
FROM clean_rows
