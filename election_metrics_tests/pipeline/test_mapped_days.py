"""Files that know days alone: a counter is of the end of its day, and the hour of a count says nothing."""

from pathlib import Path

from election_metrics.settings import Settings
from election_metrics_tests.computing import rows
from election_metrics_tests.pipeline.test_mapped_files import hours_of, land, put, totals
from election_metrics_tests.typed import typed

DAYS = """
files = "*.csv"
name = "days"
rows = "{rows}"
election = "A vote"
time_zone = "Europe/Rome"
unit = "day"
[columns]
constituency = "place"
time = {{ column = "day", format = "%d/%m/%Y" }}
votes = "votes"
"""


def test_a_counter_of_a_date_is_of_the_end_of_that_day(chosen: Settings, tmp_path: Path) -> None:
    text = "place,day,votes\na,16/09/2026,24\na,17/09/2026,72\n"
    land(chosen, put(tmp_path / "in", DAYS.format(rows="counters"), days=text))
    counted = hours_of(chosen)
    assert totals(chosen) == {"a": 72}
    assert sum(votes for hour, (_, votes) in counted.items() if "16 22" <= hour < "17 22") == 48
    assert set(rows(chosen, "SELECT unit FROM metrics.spread_hours")["unit"]) == {"day"}


def test_an_hour_of_a_source_of_days_says_that_it_is_a_day(chosen: Settings, tmp_path: Path) -> None:
    text = "place,day,votes\na,16/09/2026,24\na,17/09/2026,72\nb,17/09/2026,0\n"
    land(chosen, put(tmp_path / "in", DAYS.format(rows="counts"), days=text))
    assert hours_of(chosen) == {"15 22": (0, 24), "16 22": (0, 72)}
    found = rows(chosen, "SELECT * FROM metrics.spread_hours ORDER BY hour")
    assert list(found["spread_votes"]) == [24, 72]
    assert [f"{row.begins_at:%d %H} {row.observed_at:%d %H} {row.unit}" for row in found.itertuples()] == [
        "15 22 16 22 day", "16 22 17 22 day",
    ]  # fmt: skip


def test_the_command_lands_days_that_lie_apart_in_two_runs(chosen: Settings, tmp_path: Path) -> None:
    text = "place,day,votes\n" + "".join(f"a,{day}/09/2026,{day}\n" for day in range(10, 18))
    path = put(tmp_path / "in", DAYS.format(rows="counts"), days=text)
    ran = typed("source", "ingest", str(path))
    assert ran.returncode == 0, ran.stderr
    assert totals(chosen) == {"a": sum(range(10, 18))}
    assert ran.stderr.count(" done: ") == 2
