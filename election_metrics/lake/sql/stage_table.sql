-- One row for every row of a transactions table: the columns of stage.sql but line_bytes, and is_withdrawn.
-- Takes: table_rows (id, constituency, type, time, status, voter, quantity, anomaly_reason: text; is_flagged,
-- occurred_ms, hour_number, row_number, position), contents (hour_number, content_id), operations (type, operation),
-- outcomes (status, outcome), and in `limits` as one row latest_ms, first_hour_ms, first_hour_setting, otherwise, no_text, last_vote_stands.
WITH
named AS (
    SELECT
        contents.content_id,
        coalesce(table_rows.constituency, '') AS constituency_id,
        table_rows.row_number AS line_number,
        table_rows.id AS transaction_id,
        id_key(table_rows.id) AS id_key,
        table_rows.occurred_ms,
        TRY_CAST(floor(table_rows.occurred_ms / 3600000) AS INTEGER) AS hour_number,
        coalesce(operations.operation, table_rows.type) AS operation,
        coalesce(outcomes.outcome, limits.otherwise) AS outcome,
        -- A column of another type may say 2.0, and an empty text is no number.
        whole_number(regexp_replace(table_rows.quantity, '[.]0+$', '')) AS said_quantity,
        nullif(table_rows.quantity, '') AS quantity,
        nullif(table_rows.voter, '') AS voter,
        table_rows.is_flagged,
        nullif(table_rows.anomaly_reason, '') AS anomaly_reason,
        table_rows.status,
        table_rows.time,
        table_rows.position,
        -- Columns whose value is not text: then the whole row is rejected.
        concat_ws(
            ', ',
            CASE WHEN starts_with(table_rows.id, no_text) THEN 'id' END,
            CASE WHEN starts_with(table_rows.constituency, no_text) THEN 'constituency' END,
            CASE WHEN starts_with(table_rows.election, no_text) THEN 'election' END,
            CASE WHEN starts_with(table_rows.type, no_text) THEN 'type' END,
            CASE WHEN starts_with(table_rows.time, no_text) THEN 'time' END,
            CASE WHEN starts_with(table_rows.status, no_text) THEN 'status' END,
            CASE WHEN starts_with(table_rows.voter, no_text) THEN 'voter' END,
            CASE WHEN starts_with(table_rows.quantity, no_text) THEN 'quantity' END,
            CASE WHEN starts_with(table_rows.anomaly, no_text) THEN 'anomaly' END,
            CASE WHEN starts_with(table_rows.anomaly_reason, no_text) THEN 'anomaly_reason' END
        ) AS no_texts,
        limits.no_text,
        limits.last_vote_stands,
        limits.latest_ms,
        limits.first_hour_ms,
        limits.first_hour_setting
    FROM table_rows
    CROSS JOIN limits
    LEFT JOIN contents ON contents.hour_number = table_rows.hour_number
    LEFT JOIN operations ON operations.type = table_rows.type
    LEFT JOIN outcomes ON outcomes.status = table_rows.status
),
judged AS (
    SELECT
        *,
        outcome = 'failed' AS failed,
        CASE
            WHEN no_texts <> '' THEN concat('no UTF-8 in the column of: ', no_texts)
            WHEN coalesce(transaction_id, '') = '' THEN 'the transaction id is missing'
            WHEN constituency_id = '' THEN 'the constituency is missing'
            WHEN contains(transaction_id, chr(0)) OR contains(voter, chr(0)) OR contains(constituency_id, chr(0))
                THEN 'the transaction id, voter or constituency holds a NUL'
            WHEN byte_length(transaction_id) > 200 OR byte_length(voter) > 200 OR byte_length(constituency_id) > 200
                THEN 'the transaction id, voter or constituency is longer than 200 bytes'
            WHEN occurred_ms IS NULL THEN 'the time cannot be read'
            WHEN occurred_ms < 946684800000 THEN 'the timestamp is before 2000'
            WHEN occurred_ms > latest_ms THEN 'the timestamp is more than a day ahead of the clock'
            WHEN occurred_ms < first_hour_ms THEN first_hour_setting
            WHEN quantity IS NOT NULL AND NOT coalesce(said_quantity BETWEEN 0 AND 1000000000, FALSE)
                THEN 'the quantity is not between 0 and 1000000000'
        END AS rejection,
        operation = 'vote' AND outcome IN ('counted', 'withdrawn') AS is_cast,
        operation = 'blindSigIssue' AND outcome IN ('counted', 'withdrawn') AS is_issued,
        is_register(operation) AND outcome <> 'unknown' AS is_register
    FROM named
),
staged_rows AS (
    SELECT
        content_id,
        constituency_id,
        line_number,
        transaction_id,
        id_key,
        occurred_ms,
        hour_number,
        operation,
        CASE
            WHEN is_cast THEN 'vote_cast'
            WHEN operation = 'vote' AND failed THEN 'vote_rejected'
            WHEN operation = 'vote' THEN 'vote_unknown'
            WHEN is_issued THEN 'bulletin_issued'
            WHEN operation = 'blindSigIssue' AND failed THEN 'bulletin_failed'
            WHEN operation = 'blindSigIssue' THEN 'other'
            WHEN is_register THEN 'register_change'
            WHEN is_control(operation) THEN 'control'
            ELSE 'other'
        END AS kind,
        CAST(CASE
            WHEN is_issued THEN coalesce(said_quantity, 1)
            WHEN operation IN ('vote', 'blindSigIssue') THEN said_quantity
            WHEN is_register AND NOT failed
                THEN CASE WHEN operation = 'removeFromVotersList' THEN -1 ELSE 1 END * said_quantity
        END AS BIGINT) AS quantity,
        CASE WHEN is_cast THEN voter WHEN is_issued THEN voter_name(voter) END AS sender,
        CASE WHEN is_cast THEN right(voter, 12) WHEN is_issued THEN right(voter_name(voter), 12) END AS voter_key,
        CASE
            WHEN failed THEN coalesce(anomaly_reason, status, 'failed')
            WHEN is_flagged THEN coalesce(anomaly_reason, 'flagged')
        END AS fail_reason,
        CAST(NULL AS STRING) AS registrar,
        CAST(NULL AS INTEGER) AS precinct_region,
        CAST(NULL AS INTEGER) AS precinct,
        last_vote_stands,
        CAST(NULL AS STRING) AS dimension,
        CAST(NULL AS STRING) AS tally,
        failed,
        rejection,
        CASE
            WHEN rejection IS NOT NULL
                THEN substring(
                    replace(concat('position=', position, '; id=', transaction_id, '; constituency=', constituency_id, '; time=', time, '; type=',
                        operation, '; status=', status, '; quantity=', quantity), no_text, ''), 1, 200
                )
        END AS line_start,
        outcome = 'withdrawn' AND rejection IS NULL AS is_withdrawn
    FROM judged
)
SELECT *, FALSE AS is_rollback FROM staged_rows
