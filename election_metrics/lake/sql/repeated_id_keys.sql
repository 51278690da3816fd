-- The keys of transaction ids that may occur more than once: among the staged rows, or there and in what landed.
-- Takes: staged, landed_anywhere (every row of the lake: an id may stand in any contract and hour).
SELECT id_key
FROM staged
WHERE rejection IS NULL AND NOT is_rollback
GROUP BY id_key
HAVING count(*) > 1
UNION
SELECT id_key
FROM landed_anywhere
WHERE id_key IN (SELECT id_key FROM staged WHERE rejection IS NULL AND NOT is_rollback)
