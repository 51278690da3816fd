-- The rows of those keys, with the rank of each among the rows of its file and id. The order is that of the view
-- ingest.judged_rows: the rule for which row of an id counts.
-- Takes: staged, repeated_keys.
SELECT
    staged.*,
    row_number() OVER (
        PARTITION BY staged.content_id, transaction_id, is_rollback
        ORDER BY
            occurred_ms NULLS LAST, constituency_id, kind, operation NULLS LAST, quantity NULLS LAST,
            sender NULLS LAST, fail_reason NULLS LAST, coalesce(precinct, -1) DESC, coalesce(precinct_region, -1) DESC
    ) AS place
FROM staged
INNER JOIN repeated_keys
    ON repeated_keys.content_id = staged.content_id
    AND repeated_keys.id_key = staged.id_key
WHERE rejection IS NULL
