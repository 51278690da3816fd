-- What happened in each precinct and hour: one row for every pair with a bulletin, or a change of the register.
-- Takes: transactions (one row for each id, valid or withdrawn). A call that names no precinct is in no row.
SELECT
    constituency_id,
    hour_number,
    coalesce(precinct_region, 0) AS region_code,
    precinct,
    CAST(coalesce(sum(quantity) FILTER (WHERE kind = 'bulletin_issued'), 0) AS BIGINT) AS bulletins_issued,
    CAST(coalesce(sum(quantity) FILTER (WHERE operation = 'addVotersList'), 0) AS BIGINT) AS voters_listed,
    CAST(coalesce(sum(quantity) FILTER (WHERE operation = 'addToVotersList'), 0) AS BIGINT) AS voters_restored,
    CAST(-coalesce(sum(quantity) FILTER (WHERE operation = 'removeFromVotersList'), 0) AS BIGINT) AS voters_removed
FROM transactions
WHERE precinct IS NOT NULL AND NOT is_withdrawn AND kind IN ('bulletin_issued', 'register_change')
GROUP BY constituency_id, hour_number, precinct_region, precinct
HAVING sum(abs(quantity)) > 0
