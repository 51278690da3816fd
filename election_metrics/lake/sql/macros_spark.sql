-- The same for Spark. What readers of JSON might understand differently (a name twice, odd numbers, a half of a
-- surrogate pair, something after the end) is NULL here, or not plain: its file is then read by DuckDB, the reference.
-- `{nonce}` is a random word that no file can contain on purpose.

-- Whether a name occurs this number of times, always followed by a text: "name":"… or "name": "…
CREATE OR REPLACE TEMPORARY FUNCTION names_texts(text STRING, name STRING, times INT) RETURNS BOOLEAN RETURN
    regexp_count(text, concat('"', name, '"')) = times AND regexp_count(text, concat('"', name, '": ?"')) = times;

CREATE OR REPLACE TEMPORARY FUNCTION has_odd_escapes(text STRING) RETURNS BOOLEAN RETURN
    text RLIKE '\\\\u([dD]|0000)';

CREATE OR REPLACE TEMPORARY FUNCTION pairs_if_whole(read MAP<STRING, ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>)
RETURNS ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>> RETURN
    CASE WHEN map_keys(read) = array('a', '{nonce}') THEN read['a'] END;

CREATE OR REPLACE TEMPORARY FUNCTION pairs_if_plain(text STRING, pairs ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>)
RETURNS ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>> RETURN
    CASE
        WHEN NOT has_odd_escapes(text)
            AND size(array_compact(pairs.key)) = size(pairs)
            AND names_texts(text, 'key', size(pairs))
            AND names_texts(text, 'stringValue', size(array_compact(pairs.stringValue)))
            AND regexp_count(text, '"intValue"') = size(array_compact(pairs.intValue))
            AND array_join(pairs.intValue, ',') RLIKE '^((0|-?[1-9][0-9]{0,17})(,|$))*$'
            THEN pairs
    END;

-- Params and diff are already parsed here (lines_spark.sql): number of bytes, and the pairs of the array.
CREATE OR REPLACE TEMPORARY FUNCTION field_bytes(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>) RETURNS BIGINT RETURN
    field.bytes;

-- Such a field has no pairs, so that its file is read by DuckDB.
CREATE OR REPLACE TEMPORARY FUNCTION is_quoted(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>) RETURNS BOOLEAN RETURN
    FALSE;

CREATE OR REPLACE TEMPORARY FUNCTION is_rounded(text STRING) RETURNS BOOLEAN RETURN
    coalesce(contains(upper(text), 'E+')
        OR text RLIKE '^[0-9]{1,3}([ \\x{A0}\\x{202F}][0-9]{3})+([.,][0-9]+)?$|^[0-9]+,[0-9]+$', FALSE);

CREATE OR REPLACE TEMPORARY FUNCTION json_keys(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>)
RETURNS ARRAY<STRING> RETURN
    field.pairs.key;

CREATE OR REPLACE TEMPORARY FUNCTION first_pairs(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>)
RETURNS ARRAY<STRING> RETURN
    CASE
        WHEN field.pairs IS NOT NULL
            THEN array(
                get(field.pairs, 0).key, get(field.pairs, 0).stringValue,
                get(field.pairs, 1).key, get(field.pairs, 1).stringValue
            )
    END;

CREATE OR REPLACE TEMPORARY FUNCTION text_at(pairs ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>, place INT)
RETURNS STRING RETURN
    coalesce(get(pairs, place).stringValue, get(pairs, place).intValue);

-- Lines of which params are not read are read again by DuckDB, which says why.
CREATE OR REPLACE TEMPORARY FUNCTION said_by_dump(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>)
RETURNS STRING RETURN CAST(NULL AS STRING);

CREATE OR REPLACE TEMPORARY FUNCTION pair_text(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>, wanted STRING)
RETURNS STRING RETURN
    text_at(field.pairs, CAST(array_position(field.pairs.key, wanted) - 1 AS INT));

CREATE OR REPLACE TEMPORARY FUNCTION failure_text(field STRUCT<bytes: BIGINT, pairs: ARRAY<STRUCT<key: STRING, stringValue: STRING, intValue: STRING>>>)
RETURNS STRING RETURN
    get(filter(field.pairs, pair -> contains(pair.key, 'FAIL')), 0).stringValue;

CREATE OR REPLACE TEMPORARY FUNCTION elements_if_whole(read MAP<STRING, ARRAY<STRING>>) RETURNS ARRAY<STRING> RETURN
    CASE WHEN map_keys(read) = array('a', '{nonce}') THEN read['a'] END;

-- The elements of a JSON array, each as text.
CREATE OR REPLACE TEMPORARY FUNCTION elements(text STRING) RETURNS ARRAY<STRING> RETURN
    elements_if_whole(from_json(
        concat('{"a":', text, ',"{nonce}":[]}'), 'MAP<STRING, ARRAY<STRING>>',
        map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')
    ));

CREATE OR REPLACE TEMPORARY FUNCTION array_length(text STRING) RETURNS BIGINT RETURN
    CASE WHEN startswith(text, '[') THEN CAST(size(elements(text)) AS BIGINT) END;

CREATE OR REPLACE TEMPORARY FUNCTION json_field(text STRING, path STRING) RETURNS STRING RETURN
    get_json_object(text, path);

CREATE OR REPLACE TEMPORARY FUNCTION whole_number(text STRING) RETURNS BIGINT RETURN
    CASE WHEN text RLIKE '^(0|-?[1-9][0-9]{0,18})$' THEN TRY_CAST(text AS BIGINT) END;

CREATE OR REPLACE TEMPORARY FUNCTION precinct_part(text STRING) RETURNS INT RETURN
    CASE
        WHEN whole_number(regexp_replace(text, '^0+([0-9])', '$1')) BETWEEN 0 AND 2147483647
            THEN CAST(regexp_replace(text, '^0+([0-9])', '$1') AS INT)
    END;

CREATE OR REPLACE TEMPORARY FUNCTION id_key(text STRING) RETURNS BIGINT RETURN
    CAST(conv(substr(md5(CAST(text AS BINARY)), 1, 15), 16, 10) AS BIGINT);

CREATE OR REPLACE TEMPORARY FUNCTION row_value(
    occurred_ms BIGINT, constituency_id STRING, kind STRING, operation STRING, quantity BIGINT, sender STRING, fail_reason STRING
) RETURNS STRUCT<
    occurred_ms: BIGINT, constituency_id: STRING, kind: STRING, operation: STRING, quantity: BIGINT, sender: STRING, fail_reason: STRING
> RETURN
    struct(occurred_ms, constituency_id, kind, operation, quantity, sender, fail_reason);

CREATE OR REPLACE TEMPORARY FUNCTION voter_name(text STRING) RETURNS STRING RETURN
    substr(md5(CAST(text AS BINARY)), 1, 16);

CREATE OR REPLACE TEMPORARY FUNCTION byte_length(text STRING) RETURNS BIGINT RETURN
    CAST(coalesce(octet_length(text), 0) AS BIGINT);

CREATE OR REPLACE TEMPORARY FUNCTION nth(list ARRAY<STRING>, n INT) RETURNS STRING RETURN
    get(list, n - 1);

CREATE OR REPLACE TEMPORARY FUNCTION any_contains(list ARRAY<STRING>, word STRING) RETURNS BOOLEAN RETURN
    contains(array_join(list, ' '), word);

-- Text that no reader accepts as JSON; an array of texts or of {"userId": text}; an object with one reason.
CREATE OR REPLACE TEMPORARY FUNCTION is_plain(text STRING) RETURNS BOOLEAN RETURN
    CASE
        WHEN text IS NULL OR NOT text RLIKE '^\\s*[\\[{]' THEN TRUE
        WHEN startswith(text, '[') THEN elements(text) IS NOT NULL
            AND regexp_count(text, '"userId"') IN (0, size(elements(text)))
            AND names_texts(text, 'userId', regexp_count(text, '"userId"'))
        WHEN startswith(text, '{') THEN elements(concat('[', text, ']')) IS NOT NULL
            AND regexp_count(text, '"reason"') <= 1 AND names_texts(text, 'reason', regexp_count(text, '"reason"'))
        ELSE FALSE
    END;

CREATE OR REPLACE TEMPORARY FUNCTION is_register(operation STRING) RETURNS BOOLEAN RETURN
    operation IN ('addVotersList', 'addToVotersList', 'removeFromVotersList');

CREATE OR REPLACE TEMPORARY FUNCTION is_control(operation STRING) RETURNS BOOLEAN RETURN
    operation IN (
        'createContract', 'startVoting', 'finishVoting', 'startIssueBallots', 'stopIssueBallots', 'addMainKey',
        'decryption', 'commissionDecryption', 'results', 'updateServerList'
    );
