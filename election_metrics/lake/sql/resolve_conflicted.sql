-- The transactions of hours in which rows repeat, or are withdrawn, replaced or voted again: one row for each id.
-- Takes: conflicted_rows (the lake's rows of those hours), superseded (content_id), rollbacks (transaction_id),
-- lost_rows (transaction_id, content_id: rows that another row of their id, in any hour and contract, outranks) and
-- repeated_votes (rows of any hour; last_stands: of its constituency, the last vote of a key counts, not the first).
WITH
current_rows AS (
    SELECT conflicted_rows.*
    FROM conflicted_rows
    LEFT JOIN lost_rows
        ON lost_rows.transaction_id = conflicted_rows.transaction_id
        AND lost_rows.content_id = conflicted_rows.content_id
    WHERE lost_rows.transaction_id IS NULL
        AND conflicted_rows.content_id NOT IN (SELECT content_id FROM superseded)
),
standing_rows AS (
    -- The remaining rows of an id are equal in all files, but for the precinct: a part of an earlier layout has none.
    SELECT *
    FROM (
        SELECT
            *,
            row_number() OVER (
                PARTITION BY transaction_id
                ORDER BY coalesce(precinct, -1) DESC, coalesce(precinct_region, -1) DESC, content_id
            ) AS place
        FROM current_rows
    ) AS placed_rows
    WHERE place = 1
),
standing_votes AS (
    SELECT DISTINCT
        repeated_votes.constituency_id,
        repeated_votes.sender,
        repeated_votes.transaction_id,
        repeated_votes.occurred_ms,
        repeated_votes.last_stands
    FROM repeated_votes
    LEFT JOIN lost_rows
        ON lost_rows.transaction_id = repeated_votes.transaction_id
        AND lost_rows.content_id = repeated_votes.content_id
    WHERE lost_rows.transaction_id IS NULL
        AND repeated_votes.content_id NOT IN (SELECT content_id FROM superseded)
        AND repeated_votes.transaction_id NOT IN (SELECT transaction_id FROM rollbacks)
),
revotes AS (
    SELECT transaction_id
    FROM (
        SELECT
            transaction_id,
            last_stands,
            row_number() OVER (
                PARTITION BY constituency_id, sender
                ORDER BY occurred_ms, transaction_id
            ) AS place,
            count(*) OVER (PARTITION BY constituency_id, sender) AS places
        FROM standing_votes
    ) AS placed_votes
    WHERE place <> CASE WHEN last_stands THEN places ELSE 1 END
)
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
    transaction_id IN (SELECT transaction_id FROM rollbacks) AS is_withdrawn,
    kind = 'vote_cast' AND transaction_id IN (SELECT transaction_id FROM revotes) AS is_revote,
    kind IN ('bulletin_issued', 'vote_cast') AND fail_reason IS NOT NULL AS is_flagged
FROM standing_rows
