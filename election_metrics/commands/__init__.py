"""What the commands do, behind `cli.py`: run, report, print."""
