-- The staged rows without those that repeat an id of their file.
-- Takes: staged, repeated_keys, repeated_lines.
SELECT staged.*, 1 AS place
FROM staged
LEFT JOIN repeated_keys
    ON repeated_keys.content_id = staged.content_id
    AND repeated_keys.id_key = staged.id_key
    AND staged.rejection IS NULL
WHERE repeated_keys.id_key IS NULL
UNION ALL
SELECT * FROM repeated_lines WHERE place = 1
