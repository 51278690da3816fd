-- The keys of voters who may have several votes, or several issues, among the staged rows or there and in what landed.
-- Takes: staged, landed (the lake's rows of hours that may hold votes of the same constituencies).
WITH
staged_votes AS (
    SELECT voter_key, id_key, constituency_id
    FROM staged
    WHERE kind IN ('vote_cast', 'bulletin_issued') AND voter_key IS NOT NULL AND rejection IS NULL AND NOT is_rollback
)
SELECT voter_key
FROM staged_votes
GROUP BY voter_key
HAVING min(id_key) <> max(id_key)
UNION
SELECT landed_votes.voter_key
FROM (
    SELECT voter_key, id_key
    FROM landed
    WHERE kind IN ('vote_cast', 'bulletin_issued') AND voter_key IS NOT NULL
        AND constituency_id IN (SELECT constituency_id FROM staged_votes)
) AS landed_votes
INNER JOIN staged_votes ON staged_votes.voter_key = landed_votes.voter_key
WHERE staged_votes.id_key <> landed_votes.id_key
