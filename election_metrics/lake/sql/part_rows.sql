-- The rows of a part as stored in the lake, for the hour of its folder.
SELECT
    transaction_id,
    id_key,
    constituency_id,
    occurred_ms,
    operation,
    kind,
    quantity,
    sender,
    voter_key,
    fail_reason,
    content_id,
    hour_number,
    registrar,
    precinct_region,
    precinct
FROM staged
WHERE rejection IS NULL AND NOT is_rollback
