-- The keys of ids that one file holds several times.
-- Takes: staged.
SELECT content_id, id_key
FROM staged
WHERE rejection IS NULL
GROUP BY content_id, id_key
HAVING count(*) > 1
