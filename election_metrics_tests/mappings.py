"""Files by mapping for tests: small mappings, and what one makes of its files."""

from functools import cache
from pathlib import Path

import pandas as pd

from election_metrics.pipeline.mapped_files import MappedFiles
from election_metrics.settings import Settings, read_settings
from election_metrics.sources.file_mapping import read_file_mapping
from election_metrics_tests.pipeline.test_mapped_files import NOW

EVENTS = """
files = "*.csv"
name = "events"
election = "A vote"
[columns]
constituency = "place"
time = "time"
type = { constant = "vote" }
"""
COUNTS = """
files = "*.csv"
name = "counts"
rows = "counts"
election = "A vote"
[columns]
constituency = "place"
time = "time"
votes = "votes"
"""
HEADER = "place,time,votes\n"


class Read:
    """What a mapping makes of its files, before anything lands."""

    def __init__(self, mapping: Path) -> None:
        chosen = settings_of(mapping.parent.parent)
        self.mapping = read_file_mapping(mapping)
        with MappedFiles(self.mapping, mapping.parent, chosen, NOW).snapshot() as snapshot:
            rows = pd.concat([batch.rows.to_pandas() for batch in snapshot.every_row()] or [pd.DataFrame()])
            self.places, self.unreadable = snapshot.places(), snapshot.unreadable
        self.rows, self.counted, self.rejected = rows, {}, ""
        if len(rows):
            is_good = rows["quantity"].fillna("1").str.fullmatch("[0-9]+") & rows["time"].fillna("").str.startswith(
                "20"
            )
            self.rejected = rows[~is_good].to_json(force_ascii=False, orient="records")
            votes = rows[is_good & (rows["type"].map(lambda said: self.mapping.types.get(said, said)) == "vote")]
            self.counted = votes.assign(votes=votes["quantity"].fillna("1").astype(int))

    def by(self, column: str) -> dict[str, int]:
        return {} if not len(self.counted) else self.counted.groupby(column)["votes"].sum().to_dict()

    @property
    def types(self) -> dict[str, int]:
        return dict(self.rows["type"].value_counts())

    @property
    def ids(self) -> int:
        return int(self.rows["id"].nunique())

    @property
    def totals(self) -> dict[str, int]:
        return self.by("constituency")

    @property
    def hours(self) -> dict[str, int]:
        return {time[8:13]: votes for time, votes in self.by("time").items()}

    @property
    def told(self) -> str:
        return "\n".join(f"{one.version.path}/{one.member}: {one.reason}" for one in self.unreadable)


@cache
def settings_of(folder: Path) -> Settings:
    return read_settings(home=folder / "home")
