"""The arithmetic: pure functions from frames to frames. No I/O, no clock, no Dagster."""
