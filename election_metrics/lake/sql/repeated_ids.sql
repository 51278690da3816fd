-- Every row, landed now or before, of a transaction id that occurs more than once among them; `is_conflicting` where the
-- rows of the id differ.
-- Takes: staged, landed_anywhere, repeated_id_keys.
WITH
candidates AS (
    SELECT
        transaction_id, constituency_id, occurred_ms, hour_number, kind, operation, quantity, sender, fail_reason, content_id
    FROM staged
    WHERE id_key IN (SELECT id_key FROM repeated_id_keys) AND rejection IS NULL AND NOT is_rollback
    UNION ALL
    SELECT
        transaction_id, constituency_id, occurred_ms, hour_number, kind, operation, quantity, sender, fail_reason, content_id
    FROM landed_anywhere
    WHERE id_key IN (SELECT id_key FROM repeated_id_keys)
),
valued AS (
    SELECT
        *,
        row_value(occurred_ms, constituency_id, kind, operation, quantity, sender, fail_reason) AS value
    FROM candidates
),
repeated AS (
    SELECT transaction_id, min(value) <> max(value) AS is_conflicting
    FROM valued
    GROUP BY transaction_id
    HAVING count(*) > 1
)
SELECT
    valued.transaction_id,
    constituency_id,
    occurred_ms,
    hour_number,
    kind,
    operation,
    quantity,
    sender,
    fail_reason,
    content_id,
    is_conflicting
FROM valued
INNER JOIN repeated ON repeated.transaction_id = valued.transaction_id
