"""The pipeline without Dagster: lands input, refreshes the registry, computes hours and elections.

This package combines sources, lake, metrics and warehouse. Its callers are the assets, tests and benchmarks.
"""
