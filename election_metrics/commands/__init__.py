"""Implementation of the commands in `cli.py`."""
