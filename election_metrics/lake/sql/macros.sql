-- Macros for what differs between DuckDB and Spark SQL, for DuckDB; all other files here are in their common dialect.

-- The keys of a JSON array of {"key", ...}; NULL where the text is no JSON array.
CREATE OR REPLACE TEMP MACRO json_keys(text) AS
    CASE
        WHEN starts_with(text, '[') OR TRY(json_type(text)) = 'ARRAY'
            THEN TRY(json_extract_string(text, '$[*].key'))
    END;

-- Whether a JSON array is written as a spreadsheet quotes it: "[{""key"": …
CREATE OR REPLACE TEMP MACRO is_quoted(text) AS coalesce(starts_with(text, '"['), FALSE);

-- Whether a number is written as a spreadsheet writes it: 1,78E+12, 1 789 720 000 000, 1789720000000,0.
CREATE OR REPLACE TEMP MACRO is_rounded(text) AS coalesce(
    contains(upper(text), 'E+')
    OR regexp_matches(text, '^[0-9]{1,3}([ \x{A0}\x{202F}][0-9]{3})+([.,][0-9]+)?$|^[0-9]+,[0-9]+$'), FALSE
);

-- Key and text of the first two pairs of such an array, as a list of four; NULL where the text is no JSON array.
-- In practice the operation is first and the data of an issue second; reading all values would copy every ballot.
CREATE OR REPLACE TEMP MACRO first_pairs(text) AS
    CASE
        WHEN starts_with(text, '[') OR TRY(json_type(text)) = 'ARRAY'
            THEN TRY(json_extract_string(text, ['$[0].key', '$[0].stringValue', '$[1].key', '$[1].stringValue']))
    END;

-- Why a call of a block dump cannot be read, written in place of its params (blocks.sql); NULL elsewhere.
CREATE OR REPLACE TEMP MACRO said_by_dump(text) AS CASE WHEN starts_with(text, 'dump: ') THEN substring(text, 7) END;

-- The text or number of the first pair with this key; NULL where there is none.
CREATE OR REPLACE TEMP MACRO pair_text(text, wanted) AS
    list_transform(
        list_filter(
            TRY(from_json(text, '[{"key":"VARCHAR","stringValue":"VARCHAR","intValue":"VARCHAR"}]')),
            lambda pair: pair.key = wanted
        ),
        lambda pair: coalesce(pair.stringValue, pair.intValue)
    )[1];

-- The text of the first pair that reports a failure; NULL where there is none.
CREATE OR REPLACE TEMP MACRO failure_text(text) AS
    list_filter(
        TRY(from_json(text, '[{"key":"VARCHAR","stringValue":"VARCHAR"}]')),
        lambda pair: contains(pair.key, 'FAIL')
    )[1].stringValue;

-- The length of a JSON array; NULL where the text is none.
CREATE OR REPLACE TEMP MACRO array_length(text) AS
    CASE WHEN starts_with(text, '[') OR TRY(json_type(text)) = 'ARRAY' THEN TRY(json_array_length(text)) END;

-- One field of a JSON object; NULL where the text is none.
CREATE OR REPLACE TEMP MACRO json_field(text, path) AS
    TRY(json_extract_string(text, path));

-- A whole number in plain digits; NULL where the text is none.
CREATE OR REPLACE TEMP MACRO whole_number(text) AS
    CASE WHEN CAST(TRY_CAST(text AS BIGINT) AS VARCHAR) = text THEN TRY_CAST(text AS BIGINT) END;

-- The number of a region or precinct, which may have leading zeros; NULL where the text is none.
CREATE OR REPLACE TEMP MACRO precinct_part(text) AS
    CASE
        WHEN whole_number(regexp_replace(text, '^0+([0-9])', '\1')) BETWEEN 0 AND 2147483647
            THEN CAST(regexp_replace(text, '^0+([0-9])', '\1') AS INTEGER)
    END;

-- A key for finding equal ids: 60 bits of the MD5 of the whole id. Equal keys do not prove equal ids.
CREATE OR REPLACE TEMP MACRO id_key(text) AS CAST('0x' || substr(md5(text), 1, 15) AS BIGINT);

-- The content of a row as one value: rows of an id that differ in it are in conflict. It is not a hash, because
-- collisions could be constructed.
CREATE OR REPLACE TEMP MACRO row_value(occurred_ms, constituency_id, kind, operation, quantity, sender, fail_reason) AS
    row(occurred_ms, constituency_id, kind, operation, quantity, sender, fail_reason);

-- A short key of a voter's id, derived from the whole id and not only from its end.
CREATE OR REPLACE TEMP MACRO voter_name(text) AS substr(md5(text), 1, 16);

-- The bytes of a text in UTF-8.
CREATE OR REPLACE TEMP MACRO byte_length(text) AS
    coalesce(strlen(text), 0);

-- The nth element of a list (from 1); NULL if there is none.
CREATE OR REPLACE TEMP MACRO nth(list, n) AS list[n];

-- Whether any text of a list contains this word.
CREATE OR REPLACE TEMP MACRO any_contains(list, word) AS contains(array_to_string(list, ' '), word);

-- Whether this engine reads the text like the others; DuckDB is the reference.
CREATE OR REPLACE TEMP MACRO is_plain(text) AS TRUE;

-- The bytes of params or diff.
CREATE OR REPLACE TEMP MACRO field_bytes(text) AS coalesce(strlen(text), 0);

-- Whether a call changes the register of voters, and whether it controls the contract.
CREATE OR REPLACE TEMP MACRO is_register(operation) AS
    operation IN ('addVotersList', 'addToVotersList', 'removeFromVotersList');

CREATE OR REPLACE TEMP MACRO is_control(operation) AS
    operation IN (
        'createContract', 'startVoting', 'finishVoting', 'startIssueBallots', 'stopIssueBallots', 'addMainKey',
        'decryption', 'commissionDecryption', 'results', 'updateServerList'
    );
