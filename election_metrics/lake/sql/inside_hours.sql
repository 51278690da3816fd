-- Gaps between votes, and runs of one registrar, of each constituency and hour with 20 such calls or more.
-- Takes: transactions, inside_counts (whose `number` stands for constituency and hour: texts are slow to sort by).
WITH
votes AS (
    SELECT number, occurred_ms
    FROM transactions
    INNER JOIN inside_counts
        ON inside_counts.constituency_id = transactions.constituency_id
        AND inside_counts.hour_number = transactions.hour_number
    WHERE kind = 'vote_cast' AND NOT is_withdrawn AND NOT is_revote AND votes >= 20 AND has_times
),
gaps AS (
    SELECT
        number,
        row_number() OVER (PARTITION BY number ORDER BY occurred_ms) AS place,
        occurred_ms - lag(occurred_ms) OVER (PARTITION BY number ORDER BY occurred_ms) AS gap_ms,
        lag(occurred_ms) OVER (PARTITION BY number ORDER BY occurred_ms)
            - lag(occurred_ms, 2) OVER (PARTITION BY number ORDER BY occurred_ms) AS gap_ms_before
    FROM votes
),
sums AS (
    SELECT
        number,
        count(gap_ms) AS vote_gaps,
        sum(gap_ms) / 1000.0 AS gap_seconds,
        sum((gap_ms / 1000.0) * (gap_ms / 1000.0)) AS gap_squares
    FROM gaps
    GROUP BY number
),
equal_gaps AS (
    -- Equal to the one before: rows of one run have the same distance between place and rank.
    SELECT
        number,
        round(gap_ms / 1000.0) AS gap,
        place - row_number() OVER (PARTITION BY number, round(gap_ms / 1000.0) ORDER BY place) AS run
    FROM gaps
    WHERE gap_ms >= 500 AND round(gap_ms / 1000.0) = round(gap_ms_before / 1000.0)
),
equal_runs AS (
    SELECT number, gap, count(*) + 1 AS gaps
    FROM equal_gaps
    GROUP BY number, gap, run
),
longest_equal AS (
    SELECT number, gap, gaps, row_number() OVER (PARTITION BY number ORDER BY gaps DESC, gap DESC) AS rank
    FROM equal_runs
),
issues AS (
    SELECT
        number,
        registrar,
        issues,
        row_number() OVER (PARTITION BY number ORDER BY occurred_ms, registrar) AS place
    FROM transactions
    INNER JOIN inside_counts
        ON inside_counts.constituency_id = transactions.constituency_id
        AND inside_counts.hour_number = transactions.hour_number
    WHERE kind = 'bulletin_issued' AND NOT is_withdrawn AND NOT is_revote AND issues >= 20 AND has_times AND has_registrars
),
registrar_places AS (
    SELECT
        *,
        place - row_number() OVER (PARTITION BY number, registrar ORDER BY place) AS run,
        count(*) OVER (PARTITION BY number, registrar) AS own
    FROM issues
),
registrar_runs AS (
    SELECT
        number,
        registrar,
        count(*) AS ballots,
        max(own) AS own,
        min(place) - 1 AS before,
        max(issues) - max(place) AS after
    FROM registrar_places
    GROUP BY number, registrar, run
),
longest_registrar AS (
    -- Of the runs that others precede and follow, the one that is longest beside the registrar's other bulletins.
    SELECT
        *,
        row_number() OVER (PARTITION BY number ORDER BY ballots * 1.0 * ballots / own DESC, registrar) AS rank
    FROM registrar_runs
    WHERE before > 0 AND after > 0
)
SELECT
    inside_counts.*,
    vote_gaps,
    gap_seconds,
    gap_squares,
    longest_equal.gaps AS equal_gaps,
    longest_equal.gap AS equal_gap,
    substr(longest_registrar.registrar, 1, 8) AS registrar,
    longest_registrar.ballots AS registrar_run,
    longest_registrar.own AS registrar_own,
    longest_registrar.before AS registrar_before,
    longest_registrar.after AS registrar_after
FROM inside_counts
LEFT JOIN sums ON sums.number = inside_counts.number
LEFT JOIN longest_equal ON longest_equal.number = inside_counts.number AND longest_equal.rank = 1
LEFT JOIN longest_registrar ON longest_registrar.number = inside_counts.number AND longest_registrar.rank = 1
