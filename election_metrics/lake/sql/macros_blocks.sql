-- Macros for blocks.sql, for DuckDB.

-- An entry of params or results as the export has it; only its key, where its value counts for nothing.
CREATE OR REPLACE TEMP MACRO export_entry(entry, whole) AS
    concat(
        '{"key":', coalesce(to_json(entry.key), 'null'),
        CASE
            WHEN whole THEN concat(
                CASE entry.type
                    WHEN 'integer' THEN ',"intValue":'
                    WHEN 'boolean' THEN ',"boolValue":'
                    WHEN 'binary' THEN ',"binaryValue":'
                    ELSE ',"stringValue":'
                END,
                CASE
                    WHEN entry.type = 'integer' AND regexp_full_match(entry.value, '-?(0|[1-9][0-9]{0,18})')
                        OR entry.type = 'boolean' AND entry.value IN ('true', 'false')
                        THEN entry.value
                    WHEN entry.type = 'binary'
                        THEN coalesce(CAST(to_json(regexp_replace(entry.value, '^base64:', '')) AS VARCHAR), 'null')
                    -- As text: a CASE of text and JSON is JSON, which some texts are not.
                    ELSE coalesce(CAST(to_json(entry.value) AS VARCHAR), 'null')
                END
            )
        END,
        '}'
    );

-- The text without what separates fields and lines; a field that holds it is rejected.
CREATE OR REPLACE TEMP MACRO plain_field(text) AS regexp_replace(coalesce(text, ''), '[;\x00-\x1F]', '?', 'g');

-- The first eight fields of a line, each with its separator; concat leaves NULL out.
CREATE OR REPLACE TEMP MACRO export_fields(id, kind, signature, format, moment, sender, fee, asset) AS
    concat(id, ';', kind, ';', signature, ';', format, ';', moment, ';', sender, ';', fee, ';', asset, ';');

-- The data of an issue without what does not count: as many bulletins, the first one with its voter.
CREATE OR REPLACE TEMP MACRO issued_to(data, bulletins) AS
    CASE
        WHEN bulletins = 0 THEN '[]'
        ELSE concat(
            '[{"userId":', coalesce(to_json(json_extract_string(data, '$[0].userId')), 'null'), '}',
            repeat(',0', CAST(bulletins AS BIGINT) - 1), ']'
        )
    END;

-- A block as it is read; NULL if it cannot be.
CREATE OR REPLACE TEMP MACRO as_block(content) AS
    TRY(json_transform(
        content,
        '{"height": "BIGINT", "timestamp": "BIGINT", "id": "VARCHAR", "blockId": "VARCHAR", "signature": "VARCHAR",
        "reference": "VARCHAR", "generator": "VARCHAR", "transactions": [{"type": "VARCHAR", "tx": {"type": "VARCHAR",
        "id": "VARCHAR", "version": "VARCHAR", "timestamp": "VARCHAR", "senderPublicKey": "VARCHAR",
        "fee": "VARCHAR", "feeAssetId": "VARCHAR", "proofs": ["VARCHAR"], "contractId": "VARCHAR",
        "params": [{"key": "VARCHAR", "type": "VARCHAR", "value": "VARCHAR"}]},
        "results": [{"key": "VARCHAR", "type": "VARCHAR", "value": "VARCHAR"}]}]}'
    ));

-- A block of which a text holds half a letter (one of the two surrogates of JSON's escapes): chr(1) in its place, so that it
-- costs its own call and no other. Whole letters that are written so become a question mark.
CREATE OR REPLACE TEMP MACRO with_whole_letters(content) AS
    regexp_replace(
        regexp_replace(content, '\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', '?', 'g'),
        '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\u0001', 'g'
    );
