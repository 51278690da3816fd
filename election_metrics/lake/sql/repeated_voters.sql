-- Every accepted vote, landed now or before, of a sender who has several in one constituency; and every issue to a
-- voter who has several there.
-- Takes: staged, landed (the lake's rows of hours that may hold votes of the same constituencies),
-- repeated_voter_keys.
WITH
staged_votes AS (
    SELECT transaction_id, id_key, voter_key, kind, constituency_id, sender, occurred_ms, content_id
    FROM staged
    WHERE kind IN ('vote_cast', 'bulletin_issued') AND voter_key IS NOT NULL AND rejection IS NULL AND NOT is_rollback
),
landed_votes AS (
    SELECT transaction_id, id_key, voter_key, kind, constituency_id, sender, occurred_ms, content_id
    FROM landed
    WHERE kind IN ('vote_cast', 'bulletin_issued') AND voter_key IS NOT NULL
),
candidates AS (
    SELECT * FROM staged_votes WHERE voter_key IN (SELECT voter_key FROM repeated_voter_keys)
    UNION ALL
    SELECT * FROM landed_votes WHERE voter_key IN (SELECT voter_key FROM repeated_voter_keys)
),
repeated_voters AS (
    SELECT kind, constituency_id, sender
    FROM candidates
    GROUP BY kind, constituency_id, sender
    HAVING min(transaction_id) <> max(transaction_id)
)
SELECT DISTINCT
    candidates.transaction_id,
    candidates.kind,
    candidates.constituency_id,
    candidates.sender,
    candidates.occurred_ms,
    candidates.content_id
FROM candidates
INNER JOIN repeated_voters
    ON repeated_voters.kind = candidates.kind
    AND repeated_voters.constituency_id = candidates.constituency_id
    AND repeated_voters.sender = candidates.sender
