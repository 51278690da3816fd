"""The second count: the portal's registry, its own counts, and their agreement with the ones made here.

Without the setting PORTAL_URL these assets do nothing.
"""

import re
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.hourly_stats import hourly_stats
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.resources import RETRY, ProgressResource, SettingsResource, translate_errors
from election_metrics.assets.watched import ROWS
from election_metrics.sanitize import escape_markdown
from election_metrics.settings import Settings
from election_metrics.warehouse import tables

if TYPE_CHECKING:
    import sqlalchemy as sa

    from election_metrics.pipeline.portal import Collected

_SHOWN = 20
_ID = re.compile(r"[0-9A-Za-z-]{20,}")


class PortalConfig(dg.Config):
    """Configuration of `portal_counters`."""

    everything: bool = False
    """Ask for every contract, also those that were asked for in this hour, and those whose voting is over."""


@dg.asset(**about("portal_registry", kinds=["postgres"]), retry_policy=RETRY, op_tags=FRAMES)
def portal_registry(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[None]:
    """Contracts as the portal lists them: names, commissions, zones, voting times, kind (`metrics.portal_contracts`).

    A source of the registry: it comes after reference data, and before transactions and paths.
    """
    if settings.portal_url is None:
        return _nothing(context, settings, tables.portal_contracts)
    from election_metrics.pipeline.portal import collect_registry

    with translate_errors():
        done = collect_registry(settings, context.run_id)
    return _collected("portal_registry", context, settings, tables.portal_contracts, done)


@dg.asset(deps=[portal_registry], **about("portal_counters", kinds=["postgres"]), retry_policy=RETRY, op_tags=FRAMES)
def portal_counters(
    context: dg.AssetExecutionContext, config: PortalConfig, settings: SettingsResource, progress: ProgressResource
) -> dg.MaterializeResult[None]:
    """The portal's own hourly counts and its precincts, as published (`metrics.portal_hours`, `portal_precincts`).

    Figures that the portal changed later are kept in all their versions.
    """
    if settings.portal_url is None:
        return _nothing(context, settings, tables.portal_hours)
    from election_metrics.pipeline.portal import collect_counts

    with translate_errors():
        done = collect_counts(
            settings, context.run_id, progress=progress.of("Asking", "contracts"), everything=config.everything
        )
    return _collected("portal_counters", context, settings, tables.portal_hours, done)


@dg.asset(
    deps=[portal_counters, hourly_stats], **about("portal_agreement", kinds=["postgres"]), retry_policy=RETRY,
    op_tags=FRAMES,
)  # fmt: skip
def portal_agreement(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[None]:
    """Both counts of every constituency hour beside each other (view `metrics.portal_agreement`).

    A match proves agreement, not completeness. A mismatch first means: look at what is missing here.
    """
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.portal import read_agreement

    if settings.portal_url is None:
        return _nothing(context, settings, tables.portal_hours)
    with translate_errors(), transaction(settings) as connection:
        found = read_agreement(connection, ["election", "region", "constituency"])
    whole = found[found["level"] == "election"]
    figures = ("hours_agreeing", "hours_differing", "hours_not_compared", "constituencies_differing",
               "constituencies_not_there", "counted_bulletins", "published_bulletins", "counted_votes",
               "published_votes")  # fmt: skip
    differing = found[(found["status"] == "differs") | (found["level"] == "election")]
    lines = [
        f"| {row.level} | {escape_markdown(_place(row))} | {row.status} | {row.hours_agreeing} | {row.hours_differing} "
        f"| {row.counted_votes} | {row.published_votes} |"
        for row in differing.head(_SHOWN).itertuples()
    ]
    head = [
        "| level | place | status | hours agreeing | differing | votes here | votes there |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    return dg.MaterializeResult(
        metadata={
            **{name: int(whole[name].sum()) for name in figures},
            ROWS: sum(int(whole[name].sum()) for name in figures[:3]),
            "by_place": dg.MetadataValue.md("\n".join([*head, *lines])),
        }
    )


def _place(row: object) -> str:
    names = (getattr(row, name) for name in ("constituency", "constituency_id", "region", "election"))
    return next((name for name in names if isinstance(name, str)), "")


def _nothing(context: dg.AssetExecutionContext, settings: Settings, table: "sa.Table") -> dg.MaterializeResult[None]:
    from election_metrics.pipeline.portal import NONE_SET

    context.log.info(NONE_SET)
    return dg.MaterializeResult(metadata={"portal": NONE_SET, ROWS: _rows(settings, table)})


def _rows(settings: Settings, table: "sa.Table") -> int:
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.totals import count_rows

    with translate_errors(), transaction(settings) as connection:
        return count_rows(connection, table)


def _collected(
    key: str, context: dg.AssetExecutionContext, settings: Settings, table: "sa.Table", done: "Collected"
) -> dg.MaterializeResult[None]:
    for error in done.errors[:_SHOWN]:
        context.log.warning(error)
    kinds = {_ID.sub("…", error): error for error in reversed(done.errors)}  # the first of each
    shown = "\n".join(f"- {escape_markdown(error)}" for error in [*reversed(kinds.values())][:_SHOWN]) or "none"
    return dg.MaterializeResult(
        metadata={
            COLUMN_LINEAGE: lineage(key),
            ROWS: _rows(settings, table),
            "contracts_asked": done.asked,
            "contracts_changed": len(done.changed),
            "contracts_absent": done.absent,
            "requests": done.requests,
            "answers_unchanged": done.unchanged,
            "errors": len(done.errors),
            "first_errors": dg.MetadataValue.md(shown),
        }
    )
