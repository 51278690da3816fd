-- Differing rows of one id within one file, with their ranks. The row at place 1 is in the lake, the others are lost.
-- At most {most} rows of a file.
-- Takes: repeated_lines.
WITH
said AS (
    SELECT
        transaction_id, content_id, constituency_id, occurred_ms, kind, operation, quantity, sender, fail_reason,
        min(place) AS place
    FROM repeated_lines
    WHERE NOT is_rollback
    GROUP BY transaction_id, content_id, constituency_id, occurred_ms, kind, operation, quantity, sender, fail_reason
),
counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY content_id, transaction_id) AS different,
        row_number() OVER (PARTITION BY content_id ORDER BY transaction_id, place) AS number
    FROM said
)
SELECT transaction_id, content_id, constituency_id, occurred_ms, kind, operation, quantity, sender, fail_reason, place
FROM counted
WHERE different > 1 AND number <= {most}
