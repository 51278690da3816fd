-- A call, as a line of the portal's export, for every row of `observed_rows` that can be read; sorted by contract and time.
-- Its id is made of what the row says and of how many rows before it say the same.
WITH
placed AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY contract, kind, ms, uik, type, count) AS place
    FROM observed_rows
    WHERE reason IS NULL
),
named AS (
    SELECT *, concat('t', md5(concat_ws('/', kind, contract, ms, coalesce(uik, '-'), type, count, place))) AS id FROM placed
)
SELECT
    contract,
    0 AS line,
    concat(
        id, ';104;;3;', ms, ';', CASE kind WHEN 'vote' THEN id ELSE 'tables' END, ';0;;',
        '[{"key":"operation","stringValue":"',
        CASE kind
            WHEN 'vote' THEN 'vote'
            WHEN 'ballot' THEN 'blindSigIssue'
            ELSE CASE type
                WHEN 'initial' THEN 'addVotersList' WHEN 'restore' THEN 'addToVotersList' ELSE 'removeFromVotersList'
            END
        END,
        '"}',
        CASE WHEN kind = 'list' THEN concat(',{"key":"votersCount","intValue":', count, '}') END,
        CASE WHEN uik IS NOT NULL THEN concat(',{"key":"primaryUikNumber","intValue":', uik, '}') END,
        '];',
        CASE kind
            WHEN 'vote' THEN concat('[{"key":"VOTE_', id, '"}]')
            WHEN 'ballot' THEN concat('[{"key":"BLINDSIG_', id, '"}]')
            ELSE '[]'
        END,
        ';{};', chr(10)
    ) AS export_line
FROM named
ORDER BY contract, ms, export_line
