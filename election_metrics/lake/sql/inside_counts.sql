-- Ballots of each constituency and hour by 5 minutes, and what tells whether the times between them can be looked at.
-- Takes: transactions (one row for each id, valid or withdrawn). A column for each kind and 5 minutes.
WITH
intervals AS (
    SELECT
        constituency_id,
        hour_number,
        kind,
        CAST(floor((occurred_ms - CAST(hour_number AS BIGINT) * 3600000) / 300000) AS INTEGER) AS place,
        sum(coalesce(quantity, 1)) AS ballots,
        count(*) AS calls,
        max(coalesce(quantity, 1)) AS most_at_once,
        min(occurred_ms % 60000) AS first_second,
        max(occurred_ms % 60000) AS last_second,
        max(occurred_ms % 10000) AS within_10_seconds,
        max(occurred_ms % 15000) AS within_15_seconds,
        min(registrar) AS first_registrar,
        max(registrar) AS last_registrar
    FROM transactions
    WHERE kind IN ('bulletin_issued', 'vote_cast') AND NOT is_withdrawn AND NOT is_revote
    GROUP BY constituency_id, hour_number, kind, place
),
hours AS (
    SELECT
        constituency_id,
        hour_number,
        {counts},
        sum(calls) FILTER (WHERE kind = 'vote_cast') AS votes,
        sum(calls) FILTER (WHERE kind = 'bulletin_issued') AS issues,
        -- Times that are rounded to minutes, or to 10 or 15 seconds, say nothing of gaps.
        max(most_at_once) = 1 AND min(first_second) < max(last_second)
            AND max(within_10_seconds) > 0 AND max(within_15_seconds) > 0 AS has_times,
        min(first_registrar) < max(last_registrar) AS has_registrars
    FROM intervals
    GROUP BY constituency_id, hour_number
)
SELECT *, row_number() OVER (ORDER BY constituency_id, hour_number) AS number
FROM hours
