-- Transactions of the opened hours on which a verifier passed a verdict: one row for each.
-- Takes: transactions (one row for each id, valid or withdrawn), verdicts (transaction_id).
SELECT
    transaction_id,
    constituency_id,
    hour_number,
    CASE WHEN is_withdrawn THEN 'withdrawn' WHEN is_revote THEN 'revote' ELSE kind END AS counts_as,
    CAST(coalesce(quantity, 1) AS BIGINT) AS votes
FROM transactions
WHERE transaction_id IN (SELECT transaction_id FROM verdicts)
