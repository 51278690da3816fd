-- One row for every line in `lines`: the parsed transaction, or the reason why the line cannot be read.
-- Takes: lines (the 12 fields as text, line_number, content_id, constituency_id, and as constants latest_ms,
-- first_hour_ms, first_hour_setting). No joins here: one would carry every ballot through a hash table.
WITH
read_fields AS (
    SELECT
        *,
        whole_number(timestamp_ms) AS occurred_ms,
        first_pairs(params) AS first_params,
        json_keys(diff) AS diff_keys,
        byte_length(transaction_id) + byte_length(transaction_type) + byte_length(signature)
            + byte_length(version) + byte_length(timestamp_ms) + byte_length(sender) + byte_length(fee)
            + byte_length(fee_asset) + field_bytes(params) + field_bytes(diff) + byte_length(extra)
            + byte_length(rollback_mark) + 12 AS line_bytes
    FROM lines
),
read_calls AS (
    SELECT
        *,
        CASE
            WHEN transaction_type = '103' THEN 'createContract'
            WHEN nth(first_params, 1) = 'operation' AND nth(first_params, 2) IS NOT NULL THEN nth(first_params, 2)
            ELSE pair_text(params, 'operation')
        END AS operation,
        any_contains(diff_keys, 'FAIL') AS failed,
        array_contains(diff_keys, 'VOTE_' || coalesce(sender, '')) AS has_vote
    FROM read_fields
),
judged AS (
    SELECT
        *,
        CASE
            WHEN rollback_mark <> '-1' THEN 'the last field is neither empty nor -1'
            WHEN coalesce(transaction_id, '') = '' THEN 'the transaction id is missing'
            WHEN contains(transaction_id, chr(0)) OR contains(sender, chr(0)) THEN 'the transaction id or sender holds a NUL'
            WHEN byte_length(transaction_id) > 200 OR byte_length(sender) > 200
                THEN 'the transaction id or sender is longer than 200 bytes'
            WHEN rollback_mark = '-1' THEN NULL
            WHEN occurred_ms IS NULL AND is_rounded(timestamp_ms)
                OR is_quoted(params) OR is_quoted(diff)
                THEN 'the line looks re-saved by a spreadsheet: quotes doubled, numbers rounded; take the original file'
            WHEN occurred_ms IS NULL THEN 'the timestamp is no number of milliseconds'
            WHEN occurred_ms < 946684800000 THEN 'the timestamp is before 2000'
            WHEN occurred_ms > latest_ms THEN 'the timestamp is more than a day ahead of the clock'
            WHEN occurred_ms < first_hour_ms THEN first_hour_setting
            WHEN first_params IS NULL THEN coalesce(said_by_dump(params), 'params is no JSON array')
            WHEN diff_keys IS NULL THEN 'diff is no JSON array'
            -- A separate CASE, so that lines of voters are not parsed.
            WHEN is_register(operation) THEN CASE
                WHEN pair_text(params, 'votersCount') IS NOT NULL
                    AND NOT coalesce(whole_number(pair_text(params, 'votersCount')) BETWEEN 0 AND 1000000000, FALSE)
                    THEN 'the number of voters is not between 0 and 1000000000'
            END
        END AS rejection,
        operation = 'vote' AND NOT failed AND has_vote AS is_cast,
        CASE
            WHEN operation = 'blindSigIssue' AND NOT failed
                THEN CASE
                    WHEN nth(first_params, 3) = 'data' AND nth(first_params, 1) <> 'data'
                        AND nth(first_params, 4) IS NOT NULL
                        THEN nth(first_params, 4)
                    ELSE pair_text(params, 'data')
                END
        END AS said_data,
        -- Before 2024 an issue names its voters in userIds.
        CASE WHEN operation = 'blindSigIssue' AND NOT failed THEN pair_text(params, 'userIds') END AS issued_ids,
        CASE
            WHEN transaction_type = '103'
                THEN coalesce(pair_text(diff, 'VOTING_BASE'), pair_text(params, 'VOTING_BASE'))
        END AS voting_base,
        CASE
            WHEN is_register(operation)
                THEN pair_text(params, 'userIdHashes')
        END AS register_data,
        CASE WHEN failed THEN failure_text(diff) END AS failure,
        CASE
            WHEN NOT failed AND (operation = 'blindSigIssue' OR is_register(operation))
                THEN precinct_part(pair_text(params, 'primaryUikRegionCode'))
        END AS precinct_region,
        CASE
            WHEN NOT failed AND (operation = 'blindSigIssue' OR is_register(operation))
                THEN precinct_part(pair_text(params, 'primaryUikNumber'))
        END AS precinct
    FROM read_calls
),
issued AS (
    SELECT *, coalesce(said_data, issued_ids) AS issue_data FROM judged
),
named AS (
    SELECT
        *,
        is_plain(issue_data) AND is_plain(register_data) AND is_plain(failure) AS inside_is_plain,
        voter_name(nullif(replace(
            CASE WHEN said_data IS NULL THEN json_field(issued_ids, '$[0]') ELSE json_field(issue_data, '$[0].userId') END,
            chr(0), ''
        ), '')) AS issued_to
    FROM issued
)
SELECT
    content_id,
    constituency_id,
    line_number,
    transaction_id,
    id_key(transaction_id) AS id_key,
    occurred_ms,
    TRY_CAST(floor(occurred_ms / 3600000) AS INTEGER) AS hour_number,
    operation,
    CASE
        WHEN operation = 'vote' AND failed THEN 'vote_rejected'
        WHEN is_cast THEN 'vote_cast'
        WHEN operation = 'vote' THEN 'vote_unknown'
        WHEN operation = 'blindSigIssue' AND failed THEN 'bulletin_failed'
        WHEN operation = 'blindSigIssue' THEN 'bulletin_issued'
        WHEN is_register(operation) THEN 'register_change'
        WHEN is_control(operation) THEN 'control'
        ELSE 'other'
    END AS kind,
    CAST(CASE
        WHEN operation = 'blindSigIssue' AND NOT failed
            THEN coalesce(array_length(issue_data), 1)
        WHEN rejection IS NULL AND NOT failed
            AND is_register(operation)
            THEN CASE WHEN operation = 'removeFromVotersList' THEN -1 ELSE 1 END * coalesce(
                whole_number(pair_text(params, 'votersCount')),
                array_length(register_data)
            )
    END AS BIGINT) AS quantity,
    CASE WHEN is_cast THEN sender ELSE issued_to END AS sender,
    CASE WHEN is_cast THEN right(sender, 12) ELSE right(issued_to, 12) END AS voter_key,
    CASE
        WHEN failed THEN coalesce(json_field(failure, '$.reason'), failure, 'failed')
    END AS fail_reason,
    CASE WHEN operation = 'blindSigIssue' AND NOT failed THEN sender END AS registrar,
    precinct_region,
    precinct,
    coalesce(json_field(voting_base, '$.isRevoteBlocked') = 'false', FALSE) AS last_vote_stands,
    json_field(voting_base, '$.dimension') AS dimension,
    CASE
        WHEN operation = 'results' AND NOT failed
            THEN coalesce(pair_text(diff, 'RESULTS'), pair_text(params, 'RESULTS'), pair_text(params, 'results'))
    END AS tally,
    rollback_mark IS NOT NULL AS is_rollback,
    failed,
    CASE WHEN rejection IS NULL AND NOT inside_is_plain THEN 'another reader must say' ELSE rejection END AS rejection,
    CASE
        WHEN rejection IS NOT NULL
            THEN substring(
                concat(
                    CASE WHEN left(extra, 9) = '{"dump":"' THEN concat(json_field(extra, '$.dump'), ': ') ELSE '' END,
                    transaction_id, ';', transaction_type, ';', signature, ';', version, ';', timestamp_ms, ';', sender
                ),
                1, 200
            )
    END AS line_start,
    line_bytes
FROM named
