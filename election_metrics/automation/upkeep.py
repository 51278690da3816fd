"""Maintenance of Dagster's records and the lake."""

from election_metrics.automation.pruning import prune_dagster
from election_metrics.pipeline.lake_maintenance import compact_lake, sweep_lake
from election_metrics.settings import Settings


def maintain(settings: Settings, *, dry_run: bool) -> dict[str, int]:
    """Prunes, compacts and sweeps; returns how many of each were removed (with `dry_run`: would be)."""
    done = prune_dagster(settings, dry_run=dry_run)
    done["parts of closed hours, merged"] = compact_lake(settings, dry_run=dry_run)
    done["unreferenced files in the lake"], done["their bytes"] = sweep_lake(settings, dry_run=dry_run)
    return done
