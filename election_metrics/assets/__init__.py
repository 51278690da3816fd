"""Dagster assets and asset checks: glue, a few lines each, one asset a file."""

import warnings

from dagster import BetaWarning

# Beta in the pinned 1.13.27; the pin is the answer, not a warning in every command.
warnings.filterwarnings("ignore", category=BetaWarning, message=".*(backfill_policy|CodeReference|source_code).*")
