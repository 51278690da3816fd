"""Turns a turnout series into portal exports in their exact format, for the demo, tests and benchmarks."""
