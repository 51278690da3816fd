"""Dagster assets and asset checks: a few lines of glue each, one asset per file."""

import warnings

from dagster import BetaWarning

# Beta in Dagster 1.13.27, which is pinned, so no command needs to warn of it.
warnings.filterwarnings("ignore", category=BetaWarning, message=".*(backfill_policy|CodeReference|source_code).*")
