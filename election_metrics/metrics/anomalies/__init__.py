"""Anomalies: rules over the figures of an election, and findings that survive recomputation.

Each rule is a pure function from evidence to findings (`ballots`, `series`); `rules` lists them with their thresholds;
`lifecycle` merges new findings with the previous ones.
"""
