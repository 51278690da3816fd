-- Bulletins issued and votes cast outside the voting times, by constituency and hour.
-- Takes: transactions, edges (constituency_id, hour_number, starts_ms, ends_ms: the hours that lie at or beyond the
-- edges of voting; the others need no check). A vote is accepted for a while after voting ends: {grace_ms}.
SELECT
    transactions.constituency_id,
    transactions.hour_number,
    count(*) AS outside,
    count(*) FILTER (WHERE is_flagged) AS outside_and_flagged
FROM transactions
INNER JOIN edges
    ON edges.constituency_id = transactions.constituency_id
    AND edges.hour_number = transactions.hour_number
WHERE NOT is_withdrawn
    AND NOT is_revote
    AND kind IN ('bulletin_issued', 'vote_cast')
    AND (
        occurred_ms < starts_ms
        OR occurred_ms >= ends_ms + CASE WHEN kind = 'vote_cast' THEN {grace_ms} ELSE 0 END
    )
GROUP BY transactions.constituency_id, transactions.hour_number
