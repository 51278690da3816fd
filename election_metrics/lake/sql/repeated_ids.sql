-- Every row, landed now or before, of a transaction id that occurs more than once among them.
-- Takes: staged, landed (the lake's rows of hours that may hold the same transactions), repeated_id_keys.
WITH
staged_rows AS (
    SELECT transaction_id, id_key, constituency_id, occurred_ms, hour_number, kind, quantity, sender, content_id
    FROM staged
    WHERE rejection IS NULL AND NOT is_rollback
),
landed_rows AS (
    SELECT transaction_id, id_key, constituency_id, occurred_ms, hour_number, kind, quantity, sender, content_id
    FROM landed
),
candidates AS (
    SELECT * FROM staged_rows WHERE id_key IN (SELECT id_key FROM repeated_id_keys)
    UNION ALL
    SELECT * FROM landed_rows WHERE id_key IN (SELECT id_key FROM repeated_id_keys)
)
SELECT
    transaction_id,
    constituency_id,
    occurred_ms,
    hour_number,
    kind,
    quantity,
    sender,
    content_id,
    min(hour_number) OVER (PARTITION BY transaction_id) <> max(hour_number) OVER (PARTITION BY transaction_id)
        AS across_hours
FROM candidates
WHERE transaction_id IN (SELECT transaction_id FROM candidates GROUP BY transaction_id HAVING count(*) > 1)
