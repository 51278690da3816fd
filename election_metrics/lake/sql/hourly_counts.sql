-- What happened in each constituency and hour: one row for every pair that has a transaction.
-- Takes: transactions (one row an id, standing or withdrawn), voting_times (constituency_id, starts_ms, ends_ms).
-- A vote is accepted for 15 minutes after voting ends.
WITH
labelled AS (
    SELECT
        transactions.constituency_id,
        hour_number,
        occurred_ms,
        CASE WHEN is_withdrawn THEN 'withdrawn' WHEN is_revote THEN 'revote' ELSE kind END AS kind,
        quantity,
        kind IN ('bulletin_issued', 'vote_cast')
            AND (occurred_ms < starts_ms
                OR occurred_ms >= ends_ms + CASE WHEN kind = 'vote_cast' THEN 900000 ELSE 0 END)
            AS is_outside
    FROM transactions
    LEFT JOIN voting_times ON voting_times.constituency_id = transactions.constituency_id
)
SELECT
    constituency_id,
    hour_number,
    count(*) FILTER (WHERE kind <> 'withdrawn') AS transaction_count,
    CAST(coalesce(sum(quantity) FILTER (WHERE kind = 'bulletin_issued'), 0) AS BIGINT) AS bulletins_issued,
    count(*) FILTER (WHERE kind = 'bulletin_failed') AS bulletins_failed,
    count(*) FILTER (WHERE kind = 'vote_cast') AS votes_cast,
    count(*) FILTER (WHERE kind = 'vote_rejected') AS votes_rejected,
    count(*) FILTER (WHERE kind = 'vote_unknown') AS votes_unknown,
    count(*) FILTER (WHERE kind = 'revote') AS revotes,
    count(*) FILTER (WHERE kind = 'withdrawn') AS withdrawn,
    count(*) FILTER (
        WHERE kind IN ('bulletin_failed', 'vote_rejected', 'vote_unknown', 'revote')
            OR (is_outside AND kind IN ('bulletin_issued', 'vote_cast'))
    ) AS anomaly_count,
    min(occurred_ms) FILTER (WHERE kind <> 'withdrawn') AS first_ms,
    max(occurred_ms) FILTER (WHERE kind <> 'withdrawn') AS last_ms
FROM labelled
GROUP BY constituency_id, hour_number
