"""Counts a package's hours again from export files, in a warehouse of its own that is removed afterwards."""

import contextlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import sqlalchemy as sa
from pydantic_settings import BaseSettings

from election_metrics.clock import hour_number
from election_metrics.errors import SourceError
from election_metrics.lake.connect import connect
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hour_figures import chunks_of_hours, compute_frame, read_inputs
from election_metrics.pipeline.hours import changed_hours, contiguous
from election_metrics.pipeline.packages.descriptor import read_edition
from election_metrics.pipeline.packages.recomputing import differences, read_table
from election_metrics.pipeline.progress import Progress
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse import embedded, ledger
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.registry import read_registry
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import constituency_reference

_RUN = "verify"
_MOST_HOURS = 744
_IDENTITY = ["content_hash", "constituency_id"]
_OF_WITHDRAWN = ["size", "content_hash", "sha256", "constituency_id", "reason", "lines", "rows",
                 "rollbacks", "repeated", "rejected", "seen_at"]  # fmt: skip
_NOT_COMPARED = ["bulletin_velocity", "vote_velocity", "election_id"]
"""Velocities of an hour in progress depend on the time of computation; election_ids on names that people changed."""


class Recount:
    """Export files, landed and counted again as of the time of a package."""

    def __init__(self, settings: Settings, folder: Path, exports: Path) -> None:
        """Lands nothing yet; `settings` have an empty warehouse."""
        self._settings, self._folder, self._exports = settings, folder, exports
        self._now = read_edition(folder)[0].known_at
        self._sources = read_table(folder, "sources")
        self._places = read_table(folder, "constituencies")

    def land(self, progress: Progress) -> None:
        """Lands the files, with the names, registers and voting times of the package, but what people withdrew.

        Raises:
            SourceError: there are no such files, or the package's figures come from a table.
        """
        landed = self._sources[self._sources["status"] == "landed"]
        if landed["file"].str.startswith("table:").any():
            raise SourceError("the figures of this package come from a database table; leave --against out")
        with transaction(self._settings) as connection:
            connection.execute(sa.insert(constituency_reference), self._overrides())
            withdrawn = self._sources[self._sources["status"] == "withdrawn"]
            if len(withdrawn):
                ledger.record_files(connection, self._as_withdrawn(withdrawn))
        land(self._settings, self._exports, _RUN, self._now, progress("Landing", "bytes"))
        refresh_registry(self._settings, _RUN, self._now)

    def _overrides(self) -> list[dict[str, object]]:
        name = read_table(self._folder, "elections")["name"].iloc[0]
        columns = ["constituency_id", "name", "region_code", "region", "time_zone", "starts_at", "ends_at"]
        said = self._places[columns].assign(
            election=name, registered_voters=self._places["reference_voters"], set_by=_RUN, set_at=self._now
        )
        said["ends_at"] = said["ends_at"].where(~(said["ends_at"] <= said["starts_at"]))
        return list(said.astype(object).where(said.notna(), None).to_dict("records"))

    def _as_withdrawn(self, files: pd.DataFrame) -> pd.DataFrame:
        """Rows of the ledger by which these bytes do not land."""
        members = files["member"].fillna("")
        both = zip(files["file"], members, strict=True)
        paths = [f"withdrawn:/{file.removesuffix(f'/{member}')}" for file, member in both]
        return files[_OF_WITHDRAWN].assign(
            path=paths, member=members, status="withdrawn", modified_ns=0, run_id=_RUN, withdrawn_at=files["seen_at"],
            withdrawn_as=paths,
        )  # fmt: skip

    def file_differences(self) -> Iterator[str]:
        """Files of the package that are not among the exports, or have other bytes; and files that it does not have."""
        there, wanted = self._files(), self._sources[self._sources["status"] == "landed"]
        lost = _without(wanted, there)
        if len(lost) == len(wanted) > 0:
            yield f"none of the {len(wanted):,} files of the package is below {self._exports}: is it the right folder?"
            return
        by_name = {PurePath(row.file).name: row for row in there.itertuples()}
        told = set()
        for row in lost.itertuples():
            other = by_name.get(PurePath(row.file).name)
            if other is None:
                yield f"{row.file} is missing below {self._exports}"
                continue
            told.add(other.file)
            if other.status == "unreadable":
                yield f"{other.file} cannot be read: {other.reason}"
            else:
                yield f"{other.file} has other bytes: SHA-256 {other.sha256}, in the package {row.sha256}"
        mine = there[there["constituency_id"].isin(self._places["constituency_id"])]
        for row in _without(mine, self._sources).itertuples():
            if row.file not in told:
                yield f"{row.file} is not among the package's files"
        for row in there[there["constituency_id"].isin(self._left_out())].itertuples():
            yield f"{row.file} is of this election, and the package does not have its constituency"

    def _left_out(self) -> set[str]:
        """Constituencies of the exports that are in the package's election, and not in the package."""
        with transaction(self._settings) as connection:
            registry = read_registry(connection).set_index("constituency_id")["election_id"]
        ids = set(self._places["constituency_id"])
        elections = set(registry[registry.index.isin(ids)])
        return set(registry.index[registry.isin(elections)]) - ids

    @property
    def left_aside(self) -> str:
        """In words: how many files are not counted, because people withdrew them or they are of other elections."""
        withdrawn = int((self._sources["status"] == "withdrawn").sum())
        there = self._files()["constituency_id"]
        others = int((~there.isin({*self._places["constituency_id"], *self._left_out()})).sum())
        parts = {"withdrawn file(s) are left out": withdrawn, "file(s) of other elections are left aside": others}
        return "".join(f"; {count:,} {words}" for words, count in parts.items() if count)

    def figure_differences(self, progress: Progress) -> Iterator[str]:
        """Figures of hours that differ from those counted again, with the files that they come from."""
        report = progress("Counting", "hours")
        frames, done = [], 0
        hours = changed_hours(self._settings, self._now)
        with connect(self._settings) as engine:
            for first, last in contiguous(hours, _MOST_HOURS):
                for start, end in chunks_of_hours(self._settings, hour_number(first), hour_number(last)):
                    frames.append(compute_frame(engine, read_inputs(self._settings, start, end), self._now))
                    done += end - start + 1
                    report(min(done, len(hours)), len(hours))
        said = read_table(self._folder, "hourly_stats")
        again = pd.concat(frames, ignore_index=True) if frames else said.iloc[:0]
        again = again[again["constituency_id"].isin(self._places["constituency_id"])].drop(columns=_NOT_COMPARED)
        yield from differences("hourly_stats", ["constituency_id", "hour"], said, again, "counted again")

    def _files(self) -> pd.DataFrame:
        """The export files as they landed, with paths below their folder."""
        with transaction(self._settings) as connection:
            found = read_frame(connection, _LANDED)
        base = f"{self._exports if self._exports.is_dir() else self._exports.parent}/"
        return found.assign(file=found["file"].str.removeprefix(base))


_LANDED = sa.text(
    """
    SELECT rtrim(path || '/' || member, '/') AS file, status, reason, sha256, content_hash, constituency_id
    FROM ingest.transaction_files WHERE path NOT LIKE 'withdrawn:/%' ORDER BY 1
    """
)


def _without(files: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """The files whose bytes, as those of one contract, are not among others."""
    known = others[_IDENTITY].dropna().drop_duplicates()
    return files.merge(known, how="left", on=_IDENTITY, indicator=True).query("_merge == 'left_only'")


class _Own(Settings):
    """Settings that no environment changes."""

    @classmethod
    def settings_customise_sources(  # type: ignore[override] # the others are not used
        cls, _settings_cls: type[BaseSettings], init_settings: Any, *_: Any, **__: Any
    ) -> tuple[Any, ...]:
        """What is given, and the defaults."""
        return (init_settings,)


@contextlib.contextmanager
def own_warehouse(first_hour: datetime) -> Iterator[Settings]:
    """Settings with an empty warehouse of their own, which is removed afterwards; no setting of the system applies.

    Earlier hours than `first_hour` are not counted.
    """
    with tempfile.TemporaryDirectory(prefix="election-metrics-", ignore_cleanup_errors=True) as folder:
        made = _Own(home=Path(folder) / "home", intervals=False, first_hour=first_hour)
        try:
            migrate(made)
            yield made
        finally:
            close_engines()
            embedded.stop_using(made.home)
