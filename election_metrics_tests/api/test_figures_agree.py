"""A figure is the same wherever it is shown: tables, views, endpoints and exports, for every figure that several show."""

import csv
import io
import math
from collections import defaultdict
from collections.abc import Iterator
from numbers import Number
from pathlib import Path
from typing import Any

import pytest

from election_metrics.settings import Settings
from election_metrics.warehouse.export import export_table
from election_metrics_tests.api.conftest import Api, serve
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, line, ms, vote

# What two places call by one name and mean differently: who computed a row and when, and the kind of a period.
_NOT_FIGURES = {
    "run_id",
    "computed_at",
    "commit_number",
    "period",
    "period_start",
    "name",
    "region",
    "region_code",
    "status",
    "hours",
}
# Names of one figure, where a place has another name for it.
_ALSO_NAMED = {"constituencies": "constituencies_active"}


@pytest.fixture
def api_of_growing_registers(chosen: Settings, tmp_path: Path) -> Iterator[Api]:
    """Registers that grow between votes, in two regions of one election; a constituency that never votes."""
    election = "Выборы Думы"
    first = Folder(tmp_path / "39 - Калининградская область" / election / "Округ №1" / CONTRACT)
    first.put(line("r1", ms(0), "addVotersList", votersCount=100), *[issue(f"i{n}", ms(1)) for n in range(60)],
              *[vote(f"v{n}", ms(2)) for n in range(50)],
              line("r2", ms(1, hour=1), "addVotersList", votersCount=100), *[vote(f"w{n}", ms(2, hour=1)) for n in range(50)],
              *[vote(f"x{n}", ms(2, hour=4)) for n in range(7)], line("r3", ms(30, hour=5), "addVotersList", votersCount=9))  # fmt: skip
    second = Folder(tmp_path / "90 - Пермский край" / election / "Округ №2" / OTHER)
    second.put(line("r4", ms(0, hour=2), "addVotersList", votersCount=1000), issue("i", ms(1, hour=2)),
               *[vote(f"y{n}", ms(3, hour=3)) for n in range(33)], contract=OTHER)  # fmt: skip
    silent = f"{OTHER[:-1]}7"
    third = Folder(tmp_path / "90 - Пермский край" / election / "Округ №3" / silent)
    third.put(line("r5", ms(0, hour=3), "addVotersList", votersCount=300), contract=silent)
    update(chosen, tmp_path)
    yield from serve(chosen)


def figures(found: list[dict[str, Any]], *key: str) -> Iterator[tuple[tuple[str, ...], str, float | None]]:
    """(key, name, value) of every number in these rows."""
    for row in found:
        for name, value in row.items():
            if name not in (*key, *_NOT_FIGURES) and (value is None or isinstance(value, Number)):
                is_known = value is not None and not math.isnan(float(str(value)))
                yield tuple(str(row[part]) for part in key), _ALSO_NAMED.get(name, name), value if is_known else None


def table(settings: Settings, query: str) -> list[dict[str, Any]]:
    frame = rows(settings, query).astype(object)
    frame = frame.where(frame.notna(), None)
    for column in frame.columns:
        if "hour" in column or column == "period_start":
            frame[column] = [None if value is None else value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat")
                             else value for value in frame[column]]  # fmt: skip
    return frame.to_dict("records")


def test_a_rate_is_of_the_register_at_its_hour_everywhere(api_of_growing_registers: Api) -> None:
    hours = api_of_growing_registers.data(f"/hourly-stats/constituency/{CONTRACT}")
    assert [hour["running_participation_rate"] for hour in hours][:2] == [50.0, 50.0]
    (election,) = api_of_growing_registers.data("/elections")
    of_election = api_of_growing_registers.data(f"/hourly-stats/election/{election['election_id']}")
    assert [hour["running_participation_rate"] for hour in of_election] == [
        pytest.approx(rate) for rate in (50, 50, 100 * 100 / 1200, 133 * 100 / 1500, 140 * 100 / 1500, 140 * 100 / 1509)
    ]
    assert of_election[-1]["running_participation_rate"] == election["participation_rate"]


def test_every_figure_is_the_same_in_every_place(api_of_growing_registers: Api) -> None:
    api = api_of_growing_registers
    stored = api.settings
    (election,) = api.data("/elections")
    name = election["election_id"]
    buffer = io.BytesIO()
    export_table(stored, "election_hours", "csv", buffer)
    exported = [
        {key: float(value) if value else None for key, value in row.items() if key not in ("run_id", "computed_at", "commit_number")
         and not key.endswith("_at") and key not in ("election_id", "hour")} | {"hour": row["hour"]}
        for row in csv.DictReader(io.StringIO(buffer.getvalue().decode()))
    ]  # fmt: skip
    places = {
        "hour": [
            api.data(f"/hourly-stats/election/{name}"),
            table(stored, "SELECT * FROM metrics.election_hours"),
            table(stored, "SELECT * FROM metrics.turnout_by_hour"),
            exported,
        ],
        "constituency_id hour": [
            [hour for one in (CONTRACT, OTHER) for hour in api.data(f"/hourly-stats/constituency/{one}")],
            [{"constituency_id": row["constituency"]["constituency_id"]} | hour for row in api.data(f"/compare-constituencies?ids={CONTRACT}&ids={OTHER}")
             for hour in row["hours"]],
            table(stored, "SELECT * FROM metrics.hourly_stats"),
            table(stored, "SELECT period_start AS hour, * FROM metrics.constituency_metrics WHERE period = 'hour'"),
        ],
        "constituency_id": [
            api.data("/constituencies"),
            [api.data(f"/constituency/{one}") for one in (CONTRACT, OTHER)],
            [row["constituency"] for row in api.data(f"/compare-constituencies?ids={CONTRACT}&ids={OTHER}")],
            table(stored, "SELECT * FROM metrics.constituency_current"),
            table(stored, "SELECT * FROM metrics.constituency_metrics WHERE period = 'election'"),
        ],
        "election_id": [
            [election],
            [api.data(f"/election/{name}")],
            api.data("/dashboard/summary"),
            table(stored, "SELECT * FROM metrics.election_current"),
            table(stored, "SELECT * FROM metrics.election_summaries"),
            # The end of the curve is the headline.
            [{"election_id": name} | {
                headline: api.data(f"/hourly-stats/election/{name}")[-1][end] for headline, end in (
                    ("votes_cast", "running_votes"), ("bulletins_issued", "running_bulletins"),
                    ("participation_rate", "running_participation_rate"), ("issue_rate", "running_issue_rate"),
                    ("gap_rate", "running_gap_rate"), ("registered_voters", "registered_voters"))}],
        ],
    }  # fmt: skip
    for key, found in places.items():
        shown: dict[tuple[Any, str], list[float]] = defaultdict(list)
        for place in found:
            assert place, f"a place by {key} shows nothing"
            for of, figure, value in figures(place, *key.split()):
                shown[of, figure].append(value)
        several = {figure: values for figure, values in shown.items() if len(values) > 1}
        assert len(several) > 10, key
        for figure, values in several.items():
            assert len({None if value is None else round(float(value), 9) for value in values}) == 1, (figure, values)
