"""Benchmarks: ratios of one run, each against the nearest bare thing. `make bench`."""
