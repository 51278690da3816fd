"""Raw transactions as Parquet by hour: staging, compaction, the scan engine and its SQL.

The lake handles files, rows and hours; the ledger in the warehouse decides which files and parts count.
"""
