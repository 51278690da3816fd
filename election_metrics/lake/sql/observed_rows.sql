-- A row for each row of the tables that observers exchange, with its contract and time, or why it cannot be read; for DuckDB.
-- Takes: {rows} (of_table, kind, contract_key, uik, timestamp, count, type, row_number), observed_contracts (contract_key,
-- contract). Times are Moscow's: 3 hours ahead of UTC, and 4 before 26 October 2014.
WITH
said AS ({rows}),
read_rows AS (
    SELECT
        said.* REPLACE (trim(uik) AS uik, lower(trim(type)) AS type, trim(count) AS count),
        contract,
        try_strptime(
            trim(timestamp),
            ['%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M:%S', '%Y-%m-%d %H:%M:%S.%f', '%Y-%m-%dT%H:%M:%S.%f', '%Y-%m-%d %H:%M']
        ) AS local
    FROM said
    LEFT JOIN observed_contracts ON observed_contracts.contract_key = trim(said.contract_key)
)
SELECT
    of_table,
    kind,
    row_number,
    contract,
    -- As numbers: two archives may write one precinct as 7 and as 007.
    CASE WHEN regexp_full_match(uik, '[0-9]{1,10}') THEN CAST(CAST(uik AS BIGINT) AS VARCHAR) END AS uik,
    CASE WHEN regexp_full_match(count, '[0-9]{1,10}') THEN CAST(CAST(count AS BIGINT) AS VARCHAR) ELSE count END AS count,
    type,
    epoch_ms(local) - CASE WHEN local < TIMESTAMP '2014-10-26 02:00:00' THEN 14400000 ELSE 10800000 END AS ms,
    CASE
        WHEN contract IS NULL THEN 'elections.csv has no such contract'
        WHEN local IS NULL THEN 'the time cannot be read (2026-09-18 08:00:00 is expected, in Moscow time)'
        WHEN kind = 'list' AND NOT coalesce(regexp_full_match(count, '[0-9]{1,10}'), FALSE) THEN 'the count is no number'
        WHEN kind = 'list' AND NOT coalesce(type IN ('initial', 'restore', 'remove'), FALSE)
            THEN 'the type is none of initial, restore, remove'
    END AS reason,
    CASE
        WHEN coalesce(uik, '') <> '' AND NOT regexp_full_match(uik, '[0-9]{1,10}')
            THEN 'the precinct (uik) is no number; the row is counted without one'
    END AS note
FROM read_rows
