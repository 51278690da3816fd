"""Raw transactions at rest: Parquet by hour. Landing, compaction, the scan engine and its SQL.

The lake knows files, rows and hours; which files and parts count is decided by the ledger in the warehouse.
"""
