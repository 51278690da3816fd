-- Macros for blocks.sql, for DuckDB.

-- An entry of params or results as the export has it; only its key, where its value counts for nothing.
CREATE OR REPLACE TEMP MACRO export_entry(entry, whole) AS
    concat(
        '{"key":', coalesce(to_json(entry.key), 'null'),
        CASE
            WHEN NOT whole THEN ''
            WHEN entry.type = 'integer' AND regexp_full_match(entry.value, '-?[0-9]{1,19}')
                THEN concat(',"intValue":', entry.value)
            WHEN entry.type = 'integer' THEN concat(',"intValue":', coalesce(to_json(entry.value), 'null'))
            WHEN entry.type = 'boolean' AND entry.value IN ('true', 'false') THEN concat(',"boolValue":', entry.value)
            WHEN entry.type = 'boolean' THEN concat(',"boolValue":', coalesce(to_json(entry.value), 'null'))
            WHEN entry.type = 'binary'
                THEN concat(',"binaryValue":', coalesce(to_json(regexp_replace(entry.value, '^base64:', '')), 'null'))
            ELSE concat(',"stringValue":', coalesce(to_json(entry.value), 'null'))
        END,
        '}'
    );

-- The text without what separates fields and lines; a field that holds it is rejected.
CREATE OR REPLACE TEMP MACRO plain_field(text) AS regexp_replace(coalesce(text, ''), '[;\x00-\x1F]', '?', 'g');
