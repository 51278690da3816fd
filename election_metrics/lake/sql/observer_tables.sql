-- A row for every bulletin, accepted vote and change of a register, as observers exchange them (pipeline/observer_tables).
-- Takes: transactions (one row for each id, valid or withdrawn), offsets (hour_number, offset_ms: Moscow's from UTC).
SELECT
    constituency_id,
    occurred_ms,
    CASE kind
        WHEN 'bulletin_issued' THEN 'ballots.csv'
        WHEN 'vote_cast' THEN 'votes.csv'
        ELSE 'voter_list_events.csv'
    END AS of_table,
    precinct AS uik,
    strftime(make_timestamp((occurred_ms + offset_ms) * 1000), '%Y-%m-%d %H:%M:%S') AS timestamp,
    abs(quantity) AS count,
    CASE operation
        WHEN 'addVotersList' THEN 'initial'
        WHEN 'addToVotersList' THEN 'restore'
        WHEN 'removeFromVotersList' THEN 'remove'
    END AS type,
    unnest(range(CASE WHEN kind = 'register_change' THEN 1 ELSE coalesce(quantity, 1) END)) AS number
FROM transactions
INNER JOIN offsets USING (hour_number)
WHERE NOT is_withdrawn AND NOT is_revote
    AND (kind IN ('bulletin_issued', 'vote_cast') OR kind = 'register_change' AND quantity IS NOT NULL)
