-- Counts of each constituency and hour: one row for every pair with a transaction.
-- Takes: transactions (one row for each id, valid or withdrawn). A row of a table may hold several votes or bulletins.
WITH
labelled AS (
    SELECT
        constituency_id,
        hour_number,
        occurred_ms,
        CASE WHEN is_withdrawn THEN 'withdrawn' WHEN is_revote THEN 'revote' ELSE kind END AS kind,
        quantity,
        coalesce(quantity, 1) AS votes,
        is_flagged
    FROM transactions
)
SELECT
    constituency_id,
    hour_number,
    count(*) FILTER (WHERE kind <> 'withdrawn') AS transaction_count,
    CAST(coalesce(sum(quantity) FILTER (WHERE kind = 'bulletin_issued'), 0) AS BIGINT) AS bulletins_issued,
    CAST(coalesce(sum(votes) FILTER (WHERE kind = 'bulletin_failed'), 0) AS BIGINT) AS bulletins_failed,
    CAST(coalesce(sum(votes) FILTER (WHERE kind = 'vote_cast'), 0) AS BIGINT) AS votes_cast,
    CAST(coalesce(sum(votes) FILTER (WHERE kind = 'vote_rejected'), 0) AS BIGINT) AS votes_rejected,
    CAST(coalesce(sum(votes) FILTER (WHERE kind = 'vote_unknown'), 0) AS BIGINT) AS votes_unknown,
    CAST(coalesce(sum(votes) FILTER (WHERE kind = 'revote'), 0) AS BIGINT) AS revotes,
    count(*) FILTER (WHERE kind = 'withdrawn') AS withdrawn,
    count(*) FILTER (WHERE kind IN ('bulletin_failed', 'vote_rejected', 'vote_unknown', 'revote')) AS anomalous,
    count(*) FILTER (WHERE kind IN ('bulletin_issued', 'vote_cast') AND is_flagged) AS flagged,
    min(occurred_ms) FILTER (WHERE kind <> 'withdrawn') AS first_ms,
    max(occurred_ms) FILTER (WHERE kind <> 'withdrawn') AS last_ms
FROM labelled
GROUP BY constituency_id, hour_number
