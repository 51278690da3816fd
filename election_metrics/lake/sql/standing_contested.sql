-- The transactions of hours in which rows repeat, or are withdrawn, replaced or voted again: one row an id.
-- Takes: contested_rows (the lake's rows of those hours), superseded (content_id), rollbacks (transaction_id),
-- repeated_ids and repeated_votes (rows of any hour). Which row of an id stands is decided by the rows alone,
-- never by the order of landing.
WITH
current_rows AS (
    SELECT * FROM contested_rows
    WHERE content_id NOT IN (SELECT content_id FROM superseded)
),
first_elsewhere AS (
    SELECT transaction_id, min(occurred_ms) AS first_ms
    FROM repeated_ids
    WHERE content_id NOT IN (SELECT content_id FROM superseded)
    GROUP BY transaction_id
),
ranked AS (
    SELECT
        current_rows.*,
        row_number() OVER (
            PARTITION BY current_rows.transaction_id
            ORDER BY occurred_ms, constituency_id, kind, quantity NULLS LAST, sender NULLS LAST, content_id
        ) AS place
    FROM current_rows
    LEFT JOIN first_elsewhere ON first_elsewhere.transaction_id = current_rows.transaction_id
    WHERE first_elsewhere.first_ms IS NULL OR first_elsewhere.first_ms >= current_rows.occurred_ms
),
standing_votes AS (
    SELECT DISTINCT
        repeated_votes.constituency_id,
        repeated_votes.sender,
        repeated_votes.transaction_id,
        repeated_votes.occurred_ms
    FROM repeated_votes
    LEFT JOIN first_elsewhere ON first_elsewhere.transaction_id = repeated_votes.transaction_id
    WHERE content_id NOT IN (SELECT content_id FROM superseded)
        AND repeated_votes.transaction_id NOT IN (SELECT transaction_id FROM rollbacks)
        AND (first_ms IS NULL OR first_ms >= repeated_votes.occurred_ms)
),
revotes AS (
    SELECT transaction_id
    FROM (
        SELECT
            transaction_id,
            row_number() OVER (
                PARTITION BY constituency_id, sender
                ORDER BY occurred_ms, transaction_id
            ) AS place
        FROM standing_votes
    ) AS placed_votes
    WHERE place > 1
)
SELECT
    constituency_id,
    hour_number,
    occurred_ms,
    kind,
    quantity,
    transaction_id IN (SELECT transaction_id FROM rollbacks) AS is_withdrawn,
    kind = 'vote_cast' AND transaction_id IN (SELECT transaction_id FROM revotes) AS is_revote,
    kind IN ('bulletin_issued', 'vote_cast') AND fail_reason IS NOT NULL AS is_flagged
FROM ranked
WHERE place = 1
