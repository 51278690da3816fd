"""Turnout of an on-line vote by hour, constituency and election, as a graph of Dagster assets.

Start with `definitions.py`: the whole graph on one page.
"""

__version__ = "0.1.0"
