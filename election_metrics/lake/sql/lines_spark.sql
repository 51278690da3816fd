-- The lines of text files for stage.sql, by Spark. A line that is not plain has no fields, so that its file is read again
-- by DuckDB. Takes: text (value, file_name), contents (content_id, constituency_id); {most_bytes}, {constants}, {nonce}.
-- A lateral view of one row is an optimisation barrier: expressions before it are evaluated only once.
WITH
split_lines AS (
    SELECT
        contents.content_id,
        contents.constituency_id,
        CASE WHEN is_plain AND size(fields) = 12 THEN fields END AS fields
    FROM text
    INNER JOIN contents ON contents.content_id = CAST(split(file_name, '[.]')[0] AS BIGINT)
    LATERAL VIEW inline(array(struct(
        split(value, ';', -1) AS fields,
        is_valid_utf8(value) AND NOT contains(value, chr(13)) AND octet_length(value) < {most_bytes} AS is_plain
    ))) AS fields, is_plain
),
read_lines AS (
    SELECT *
    FROM split_lines
    LATERAL VIEW inline(array(struct(
        from_json(
            concat('{"a":', get(fields, 8), ',"{nonce}":[]}'),
            'MAP<STRING, ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>',
            map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')
        ) AS params_read,
        from_json(
            concat('{"a":', get(fields, 9), ',"{nonce}":[]}'),
            'MAP<STRING, ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>',
            map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')
        ) AS diff_read
    ))) AS params_read, diff_read
),
whole_lines AS (
    SELECT
        content_id,
        constituency_id,
        fields,
        pairs_if_whole(params_read) AS params_whole,
        pairs_if_whole(diff_read) AS diff_whole
    FROM read_lines
),
plain_lines AS (
    SELECT
        content_id,
        constituency_id,
        fields,
        pairs_if_plain(get(fields, 8), params_there) AS plain_params,
        pairs_if_plain(get(fields, 9), diff_there) AS plain_diff
    FROM whole_lines
    LATERAL VIEW inline(array(struct(params_whole, diff_whole))) AS params_there, diff_there
)
SELECT
    nullif(get(fields, 0), '') AS transaction_id,
    nullif(get(fields, 1), '') AS transaction_type,
    nullif(get(fields, 2), '') AS signature,
    nullif(get(fields, 3), '') AS version,
    nullif(get(fields, 4), '') AS timestamp_ms,
    nullif(get(fields, 5), '') AS sender,
    nullif(get(fields, 6), '') AS fee,
    nullif(get(fields, 7), '') AS fee_asset,
    struct(CAST(coalesce(octet_length(get(fields, 8)), 0) AS BIGINT) AS bytes, params_pairs AS pairs) AS params,
    struct(CAST(coalesce(octet_length(get(fields, 9)), 0) AS BIGINT) AS bytes, diff_pairs AS pairs) AS diff,
    nullif(get(fields, 10), '') AS extra,
    nullif(get(fields, 11), '') AS rollback_mark,
    content_id,
    constituency_id,
    CAST(NULL AS BIGINT) AS line_number,
    {constants}
FROM plain_lines
LATERAL VIEW inline(array(struct(plain_params, plain_diff))) AS params_pairs, diff_pairs
