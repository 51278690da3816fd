"""Maintenance of Dagster's records, the history and the lake."""

from datetime import UTC, datetime, timedelta

from election_metrics.automation.pruning import prune_dagster
from election_metrics.pipeline.lake_maintenance import compact_lake, sweep_lake
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.thinning import thin_history


def maintain(settings: Settings, *, dry_run: bool) -> dict[str, int]:
    """Prunes, thins out, compacts and sweeps; returns how many of each were removed (with `dry_run`: would be)."""
    done = prune_dagster(settings, dry_run=dry_run)
    done["replaced rows between the commits that are kept"] = _thin(settings, dry_run=dry_run)
    done["parts of closed hours, merged"] = compact_lake(settings, dry_run=dry_run)
    done["unreferenced files in the lake"], done["their bytes"] = sweep_lake(settings, dry_run=dry_run)
    return done


def _thin(settings: Settings, *, dry_run: bool) -> int:
    now, days = datetime.now(UTC), settings.keep_history_days
    with transaction(settings) as connection:
        return thin_history(
            connection, now - timedelta(hours=settings.keep_commits_hours),
            None if days is None else now - timedelta(days=days), dry_run=dry_run,
        )  # fmt: skip
