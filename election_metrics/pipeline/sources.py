"""The sources in the settings, in the order of landing."""

from collections.abc import Sequence

from election_metrics.errors import SettingsError
from election_metrics.pipeline.export_files import ExportFiles
from election_metrics.pipeline.landing import Source
from election_metrics.pipeline.mapped_source import MappedSource, open_files
from election_metrics.pipeline.table_opening import open_table
from election_metrics.pipeline.table_source import TableRows
from election_metrics.settings import Settings

NONE_NAMED = "Neither ELECTION_METRICS_SOURCE nor ELECTION_METRICS_SOURCE_URL is set"


def sources_of(settings: Settings, names: Sequence[str] = (), *, compare: bool = False) -> list[Source]:
    """The sources with these names; all if there are none. With `compare`, every hour of a table is compared now.

    Raises:
        SettingsError: the settings of a source are invalid, or there is no source with such a name.
    """
    sources: list[Source] = [] if settings.source_path is None else [ExportFiles(settings.source_path)]
    if (files := open_files(settings)) is not None:
        sources.append(MappedSource(files))
    elif (table := open_table(settings)) is not None:
        sources.append(TableRows(table, compare=compare))
    if unknown := sorted(set(names) - {source.name for source in sources}):
        known = ", ".join(source.name for source in sources) or "none"
        raise SettingsError(f"there is no source {unknown[0]!r}; the settings (SOURCE, SOURCE_URL) name: {known}")
    return [source for source in sources if not names or source.name in names]
