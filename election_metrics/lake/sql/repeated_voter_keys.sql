-- The keys of voters who may have several votes, or several issues, among the staged rows or there and in what landed.
-- Votes whose keys of ids are equal may be different votes too: then whole ids decide, in repeated_voters.sql.
-- Takes: staged, landed (the lake's rows of hours that may hold votes of the same constituencies), repeated_id_keys.
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
SELECT voter_key
FROM staged_votes
WHERE id_key IN (SELECT id_key FROM repeated_id_keys)
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
