"""The work itself, without Dagster: land files, refresh the registry, compute hours and elections.

Here sources, lake, metrics and warehouse meet. Assets call these functions; tests and benchmarks do too.
"""
