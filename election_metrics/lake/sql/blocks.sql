-- One row for every executed contract call of the blocks in `dump_lines` (content: a block as JSON; line: its number), and
-- one for a block without any: the call as a line of the portal's export, or why it has none.
-- Takes: dump_lines, {latest_ms}. The 12 fields are those of lines.sql; the 11th says where the call stands on the chain.
WITH
tried AS (
    SELECT line, content, as_block(content) AS block
    FROM dump_lines
    WHERE strlen(content) > 100 OR trim(content, concat(' ', chr(9), chr(10), chr(13))) <> ''
),
read_blocks AS (
    SELECT
        line,
        left(content, 300) AS beginning,
        block IS NULL AS is_mended,
        coalesce(block, as_block(with_whole_letters(content))) AS block
    FROM tried
),
judged AS (
    SELECT
        line,
        CASE
            WHEN block IS NULL THEN TRY_CAST(regexp_extract(beginning, '"height": *([0-9]{1,15})', 1) AS BIGINT)
            ELSE block.height
        END AS height,
        -- The time of a block that is ahead of the clock says nothing.
        CASE WHEN block.timestamp <= {latest_ms} THEN block.timestamp ELSE -1 END AS block_ms,
        id_key(concat_ws(
            '/', block.timestamp, block.id, block.blockId, block.signature, block.reference, block.generator,
            len(block.transactions), block.transactions[1].tx.id, block.transactions[-1].tx.id
        )) AS identity,
        CASE
            WHEN block IS NULL THEN 'the line is no JSON object (cut off?)'
            WHEN block.height IS NULL OR block.height < 0 THEN 'the block has no height'
            WHEN block.timestamp IS NULL OR block.timestamp < 946684800000 THEN 'the block has no time'
            WHEN block.transactions IS NULL THEN 'the block has no list of transactions'
        END AS reason,
        is_mended,
        block.transactions
    FROM read_blocks
),
executed AS (
    SELECT
        * EXCLUDE (transactions),
        unnest(transactions) AS executed,
        unnest(range(1, len(transactions) + 1)) AS place
    FROM (
        SELECT
            * EXCLUDE (transactions),
            CASE WHEN reason IS NULL AND len(transactions) > 0 THEN transactions ELSE [NULL] END AS transactions
        FROM judged
    )
),
named AS (
    SELECT
        *,
        executed.tx AS tx,
        TRY_CAST(executed.type AS DOUBLE) = 105 AS is_executed,
        CASE TRY_CAST(executed.tx.type AS DOUBLE) WHEN 103 THEN '103' WHEN 104 THEN '104' ELSE executed.tx.type END
            AS call_type,
        CASE WHEN TRY_CAST(executed.tx.type AS DOUBLE) = 103 THEN executed.tx.id ELSE executed.tx.contractId END AS contract,
        list_filter(executed.tx.params, lambda entry: entry.key = 'operation' AND entry.type = 'string')[1].value
            AS operation,
        list_filter(
            list_concat(executed.tx.params, executed.results),
            lambda entry: coalesce(entry.type, '') NOT IN ('string', 'integer', 'boolean', 'binary')
        )[1] AS unknown
    FROM executed
),
checked AS (
    SELECT
        *,
        is_executed AND regexp_full_match(contract, '[1-9A-HJ-NP-Za-km-z]{32,44}') AS has_export,
        NOT regexp_matches(
            concat_ws(
                '', tx.id, tx.type, tx.proofs[1], tx.version, tx.timestamp, tx.senderPublicKey, tx.fee, tx.feeAssetId
            ),
            '[;\x00-\x1F]'
        ) AS is_plain,
        -- An issue as nearly all are: of what it holds, the number of bulletins, the first voter and the precinct count.
        CASE
            WHEN operation = 'blindSigIssue' AND len(tx.params) <= 4
                AND len(list_filter(
                    tx.params,
                    lambda entry: entry.key NOT IN ('operation', 'data', 'primaryUikRegionCode', 'primaryUikNumber')
                        OR entry.key = 'data' AND entry.type <> 'string'
                )) = 0
                AND len(list_distinct(list_transform(tx.params, lambda entry: entry.key))) = len(tx.params)
                THEN array_length(issue_data)
        END AS issued
    FROM (
        SELECT
            *,
            CASE
                WHEN operation = 'blindSigIssue'
                    THEN list_filter(tx.params, lambda entry: entry.key = 'data')[1].value
            END AS issue_data
        FROM named
    )
),
written AS (
    SELECT
        *,
        CASE
            WHEN unknown IS NOT NULL
                THEN concat('dump: the entry ', left(unknown.key, 50), ' is of an unknown type: ', left(unknown.type, 50))
            WHEN is_mended AND len(list_filter(
                list_concat(tx.params, executed.results), lambda entry: contains(concat(entry.key, entry.value), chr(1))
            )) > 0
                THEN 'dump: a text holds half a letter (one surrogate of two)'
            WHEN NOT is_plain THEN 'dump: a field holds a semicolon or a control character'
            WHEN tx.params IS NULL THEN 'null'
            WHEN operation = 'vote' THEN '[{"key":"operation","stringValue":"vote"}]'
            WHEN issued IS NOT NULL THEN concat(
                '[{"key":"operation","stringValue":"blindSigIssue"},{"key":"data","stringValue":',
                to_json(issued_to(issue_data, issued)), '}',
                array_to_string(list_transform(
                    list_filter(tx.params, lambda entry: starts_with(entry.key, 'primaryUik')),
                    lambda entry: concat(',', export_entry(entry, TRUE))
                ), ''),
                ']'
            )
            ELSE concat(
                '[', array_to_string(list_transform(tx.params, lambda entry: export_entry(entry, TRUE)), ','), ']'
            )
        END AS params,
        CASE
            WHEN executed.results IS NULL THEN 'null'
            ELSE concat('[', array_to_string(list_transform(
                executed.results,
                lambda entry: export_entry(
                    entry, coalesce(operation NOT IN ('vote', 'blindSigIssue'), TRUE) OR contains(entry.key, 'FAIL')
                )
            ), ','), ']')
        END AS diff
    FROM checked
)
SELECT
    line,
    height,
    block_ms,
    identity,
    reason,
    place,
    CASE WHEN has_export THEN contract END AS contract,
    CASE
        WHEN reason IS NOT NULL OR executed IS NULL OR has_export THEN NULL
        WHEN executed.type IS NULL THEN concat('transaction ', place, ' of the block has no type')
        WHEN is_executed THEN concat('transaction ', place, ' of the block names no contract')
    END AS problem,
    CASE
        WHEN has_export THEN concat(
            CASE
                WHEN is_plain THEN export_fields(
                    tx.id, call_type, tx.proofs[1], tx.version, tx.timestamp, tx.senderPublicKey, tx.fee, tx.feeAssetId
                )
                ELSE export_fields(
                    plain_field(tx.id), plain_field(call_type), plain_field(tx.proofs[1]), plain_field(tx.version),
                    plain_field(tx.timestamp), plain_field(tx.senderPublicKey), plain_field(tx.fee),
                    plain_field(tx.feeAssetId)
                )
            END,
            replace(params, ';', '\u003b'), ';', replace(diff, ';', '\u003b'),
            ';{"dump":"line ', line, ', height ', height, '"};', chr(10)
        )
    END AS export_line
FROM written
