"""A verifier's list of invalid ballots: a column, a finding, and what is not known here."""

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from election_metrics.errors import DataError, ElectionMetricsError
from election_metrics.pipeline.verdicts import remove_verdicts, take_verdicts
from election_metrics.settings import Settings
from election_metrics.sources.verdict_list import NO_REASON, read_verdict_list
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.verdicts import verdicts_of_election
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import HOUR, OTHER, Folder, issue, ms, rollback, vote
from election_metrics_tests.typed import typed

NOW = HOUR + timedelta(hours=5)


def as_list(path: Path, verdicts: object) -> Path:
    path.write_text(verdicts if isinstance(verdicts, str) else json.dumps(verdicts), "utf-8")
    return path


def shares(settings: Settings) -> list[tuple[object, ...]]:
    """Hour, votes, votes found invalid, share; by constituency and hour."""
    found = rows(settings, "SELECT hour, votes_cast, votes_found_invalid, invalid_share FROM metrics.verdict_hourly_stats "
                           "ORDER BY constituency_id, hour")  # fmt: skip
    return [(f"{row.hour:%H}", *row[2:]) for row in found.itertuples()]


def open_findings(settings: Settings) -> list[tuple[str, str]]:
    query = ("SELECT severity, explanation FROM metrics.anomalies "
             "WHERE rule = 'votes_found_invalid' AND state = 'open' ORDER BY 2")  # fmt: skip
    return [(row.severity, row.explanation) for row in rows(settings, query).itertuples()]


def test_votes_that_count_and_were_found_invalid_are_told_and_stay_counted(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issue("i", ms(1)), *[vote(f"v{n}", ms(2 + n)) for n in range(8)], vote("again", ms(30), sender="key-v0"))
    folder.put(vote("w", ms(3, hour=1)), vote("taken back", ms(4, hour=1)), rollback("taken back"), contract=OTHER)
    update(chosen, folder.root, NOW)
    before = rows(chosen, "SELECT sum(votes_cast) AS votes FROM metrics.hourly_stats").at[0, "votes"]
    invalid = {"v1": "wrong proof", "v2": "wrong proof", "v3": "key used twice", "w": "wrong proof", "i": "no vote",
               "taken back": "wrong proof", "from elsewhere": "wrong proof"}  # fmt: skip
    report = take_verdicts(chosen, as_list(tmp_path / "invalid.json", invalid), "A. Verifier", "anna")
    assert (report.verdicts, report.votes_found_invalid, report.unknown) == (7, 4, ["from elsewhere"])
    assert report.not_counted == {"bulletin_issued": 1, "withdrawn": 1}
    assert sorted(shares(chosen)) == [("08", 8, 3, 37.5), ("09", 1, 1, 100.0)]
    assert (
        rows(chosen, "SELECT count(*) AS unknown FROM metrics.verdicts WHERE counts_as IS NULL").at[0, "unknown"] == 1
    )
    update(chosen, folder.root, NOW)
    assert open_findings(chosen) == [
        ("critical", "1 of 1 vote that counts here (100.0 %) were found invalid by A. Verifier: wrong proof (1)"),
        ("critical", "3 of 8 votes that count here (37.5 %) were found invalid by A. Verifier: wrong proof (2); "
                     "key used twice (1)"),
    ]  # fmt: skip
    assert rows(chosen, "SELECT sum(votes_cast) AS votes FROM metrics.hourly_stats").at[0, "votes"] == before
    audit = rows(chosen, "SELECT who, action, target FROM ingest.audit_log WHERE action = 'verdicts'")
    assert audit.values.tolist() == [["anna", "verdicts", "A. Verifier"]]


def test_a_later_list_replaces_the_earlier_one_and_two_verifiers_count_a_vote_once(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[vote(f"v{n}", ms(2 + n)) for n in range(4)])
    update(chosen, folder.root, NOW)
    take_verdicts(chosen, as_list(tmp_path / "first.json", {"v0": "a", "v1": "a"}), "one", "anna")
    take_verdicts(chosen, as_list(tmp_path / "other.json", {"v1": "b", "v2": "b"}), "two", "anna")
    assert shares(chosen) == [("08", 4, 3, 75.0)]
    take_verdicts(chosen, as_list(tmp_path / "second.json", {"v3": "a"}), "one", "anna")
    assert shares(chosen) == [("08", 4, 3, 75.0)]
    update(chosen, folder.root, NOW)
    assert [words for _, words in open_findings(chosen)] == [
        "3 of 4 votes that count here (75.0 %) were found invalid by one, two: b (2); a (1)"
    ]
    remove_verdicts(chosen, "two", "anna")
    assert shares(chosen) == [("08", 4, 1, 25.0)]
    remove_verdicts(chosen, "one", "anna")
    assert shares(chosen) == []
    update(chosen, folder.root, NOW)
    assert open_findings(chosen) == []
    with pytest.raises(ElectionMetricsError, match="there are no verdicts of 'one'"):
        remove_verdicts(chosen, "one", "anna")


def test_whatever_comes_first_votes_rollbacks_or_verdicts_the_figures_are_the_same(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    verdicts = as_list(tmp_path / "invalid.json", {"v1": "a", "v2": "b", "late": "b"})
    told = set()
    for number, order in enumerate(itertools.permutations(["votes", "late", "verdicts"])):
        settings = make_settings(f"order{number}")
        folder = Folder(tmp_path / f"in{number}")
        for step in order:
            if step == "verdicts":
                take_verdicts(settings, verdicts, "one", "anna")
            elif step == "votes":
                folder.put(*[vote(f"v{n}", ms(2 + n)) for n in range(4)])
                update(settings, folder.root, NOW)
            else:
                folder.put(rollback("v2"), vote("late", ms(7, hour=1)), name="2026-09-18_1200-1300")
                update(settings, folder.root, NOW)
        update(settings, folder.root, NOW)
        told.add((*shares(settings), *open_findings(settings)))
    ((first, second, finding),) = told
    assert (first, second) == (("08", 3, 1, 100 / 3), ("09", 1, 1, 100.0))
    assert finding[1].startswith("2 of 4 votes that count here (50.0 %)")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: .*no JSON"), ('{"a": "b"', "line 1: .*no JSON"), ('["a", "b"]', "no JSON object"),
        ("12", "no JSON object"), (b"\xff\xfe{", "not UTF-8"), ("[" * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_list_is_named(content: str | bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "invalid.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=says):
        read_verdict_list(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_verdict_list(tmp_path / "none.json")


def test_an_entry_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    text = (
        '{"a": "one", "": "x", "b": null, "a": "two", "'
        + "c" * 300
        + '": "x", "d": {"code": 3, "code": 4}, "a": "one", '
        '"e": "two\\nlines\\u001b[31m", "f": [1]}'
    )
    found = read_verdict_list(as_list(tmp_path / "invalid.json", "\ufeff" + text))
    assert found.reasons == {"a": "one", "b": NO_REASON, "d": '{"code": "4"}', "e": "two lines [31m", "f": '["1"]'}
    assert [problem.split(":")[0] for problem in found.problems] == ["entry 2", "entry 4", "entry 5"]
    assert "'one' stays, 'two' does not" in found.problems[1]


def test_reasons_that_cannot_be_written_down_cost_no_other_entry(tmp_path: Path) -> None:
    deep = '{"x":' * 900 + "1" + "}" * 900
    found = read_verdict_list(as_list(tmp_path / "invalid.json", f'{{"a": {"9" * 5_000}, "b": {deep}, "c": "good"}}'))
    assert set(found.reasons) >= {"a", "c"}
    assert len(found.reasons) + len(found.problems) == 3


def test_a_verifier_has_a_name_and_of_very_many_reasons_the_most_frequent_are_told(
    chosen: Settings, tmp_path: Path
) -> None:
    path = as_list(tmp_path / "invalid.json", {f"t{n}": f"reason {n}" for n in range(30)})
    for name in ("", "x" * 201, "a\nb"):
        with pytest.raises(ElectionMetricsError, match="--verifier NAME"):
            take_verdicts(chosen, path, name, "anna")
    take_verdicts(chosen, path, "one", "anna")
    with transaction(chosen) as connection:
        told = verdicts_of_election(connection, "any")
    assert [row["unknown_here"] for row in told] == [1] * 20 + [10]
    assert told[-1]["reason"] == "other reasons"


def test_the_command_says_what_became_of_a_list(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*[vote(f"v{n}", ms(2 + n)) for n in range(4)])
    assert "There is no verdict" in typed("verdicts").stdout
    update(chosen, folder.root, NOW)
    path = as_list(tmp_path / "invalid.json", '{"v1": "wrong", "v1": "other", "x": "wrong"}')
    taken = typed("verdicts", str(path), "--verifier", "one")
    assert taken.returncode == 3
    for words in (
        "2 verdicts of one",
        "1 votes that count here were found invalid",
        "1 ids are not known here",
        "entry 2",
    ):
        assert words in taken.stdout + taken.stderr
    assert "one: 2 verdicts" in typed("verdicts").stdout
    assert "one: 2 verdicts" in typed("status").stdout
    exported = typed("export", "verdicts").stdout
    assert "wrong" in exported
    assert typed("verdicts", "--verifier", "one", "--remove").returncode == 0
    empty = typed("verdicts", str(as_list(tmp_path / "empty.json", {})))
    assert empty.returncode == 1
    assert "--remove" in empty.stderr
