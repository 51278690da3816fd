"""Anomalies: rules that look at the figures of an election, and findings that outlive a recomputation.

Each rule is one pure function, evidence in, findings out (`ballots`, `series`); `rules` lists them with
their thresholds; `lifecycle` brings what was found now together with what was found before.
"""
