"""Benchmarks (`make bench`): ratios of interleaved runs, each against a minimal baseline."""
