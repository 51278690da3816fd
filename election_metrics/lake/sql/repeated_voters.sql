-- Every accepted vote, landed now or before, of a sender who has several in one constituency.
-- Takes: staged, landed (the lake's rows of hours that may hold votes of the same constituencies).
WITH
staged_votes AS (
    SELECT transaction_id, id_key, voter_key, constituency_id, sender, occurred_ms, content_id
    FROM staged
    WHERE kind = 'vote_cast' AND rejection IS NULL AND NOT is_rollback
),
landed_votes AS (
    SELECT transaction_id, id_key, voter_key, constituency_id, sender, occurred_ms, content_id
    FROM landed
    WHERE kind = 'vote_cast'
),
repeated_keys AS (
    SELECT voter_key FROM staged_votes GROUP BY voter_key HAVING min(id_key) <> max(id_key)
    UNION
    SELECT staged_votes.voter_key
    FROM staged_votes
    INNER JOIN landed_votes ON staged_votes.voter_key = landed_votes.voter_key
    WHERE staged_votes.id_key <> landed_votes.id_key
),
candidates AS (
    SELECT * FROM staged_votes WHERE voter_key IN (SELECT voter_key FROM repeated_keys)
    UNION ALL
    SELECT * FROM landed_votes WHERE voter_key IN (SELECT voter_key FROM repeated_keys)
),
repeated_voters AS (
    SELECT constituency_id, sender
    FROM candidates
    GROUP BY constituency_id, sender
    HAVING min(transaction_id) <> max(transaction_id)
)
SELECT DISTINCT
    candidates.transaction_id,
    candidates.constituency_id,
    candidates.sender,
    candidates.occurred_ms,
    candidates.content_id
FROM candidates
INNER JOIN repeated_voters
    ON repeated_voters.constituency_id = candidates.constituency_id
    AND repeated_voters.sender = candidates.sender
