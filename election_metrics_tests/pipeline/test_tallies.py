"""The tally that a contract publishes, and whether it fits its accepted votes."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from election_metrics.pipeline.portal import collect_counts, collect_registry
from election_metrics.replay.portal import recorded, served
from election_metrics.settings import Settings
from election_metrics.sources.tallies import read_dimension, read_tally
from election_metrics_tests.blocks import block, call, joined
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, Folder, line, ms, rollback, vote

END = line("end", ms(170), "finishVoting")


def created(dimension: object) -> str:
    """The creation of a contract with these limits by question."""
    state = [{"key": "VOTING_BASE", "stringValue": json.dumps({"dimension": dimension})}]
    return line(CONTRACT, ms(-30), "createContract", diff=state).replace(";104;", ";103;", 1)


def results(tally: object, name: str = "tally", minute: int = 175) -> str:
    """The call that publishes a tally."""
    text = tally if isinstance(tally, str) else json.dumps(tally)
    return line(name, ms(minute), "results", diff=[{"key": "RESULTS", "stringValue": text}])


def checked(settings: Settings) -> list[tuple[object, ...]]:
    """Question, status, votes, sum of the tally."""
    found = rows(settings, "SELECT question, status, votes_cast, tally_sum FROM metrics.tally_checks ORDER BY question")
    return [tuple(row) for row in found.astype(object).where(found.notna(), None).itertuples(index=False)]


def open_findings(settings: Settings) -> list[str]:
    """Words of open findings on tallies."""
    query = "SELECT explanation FROM metrics.anomalies WHERE rule = 'tally_differs' AND state = 'open' ORDER BY 1"
    return list(rows(settings, query)["explanation"])


@pytest.mark.parametrize(
    ("dimension", "tally", "expected", "finding"),
    [
        ([[1, 1, 3]], [[2, 1, 0]], [(1, "agrees", 3, 3)], None),
        ([[1, 1, 3]], [2, 1, 0], [(1, "agrees", 3, 3)], None),
        (None, [[2, 1]], [(1, "agrees", 3, 3)], None),
        ([[0, 2, 3]], [[2, 2, 2]], [(1, "agrees", 3, 6)], None),
        ([[1, 1, 2], [0, 2, 3]], [[2, 1], [0, 0, 7]], [(1, "agrees", 3, 3), (2, "differs", 3, 7)],
         "the published tally of question 2 has 7 marks, 3 accepted votes give 0 to 6; first look"),
        ([[1, 1, 3]], [[2, 2, 0]], [(1, "differs", 3, 4)],
         "the published tally of question 1 has 4 marks, 3 accepted votes give 3; first look"),
        ([[1, 1, 4]], [[2, 1, 0]], [(1, "differs", 3, 3)], "has another number of options than the contract"),
        ([[1, 1, 3]], "[[2, 1", [(1, "unreadable", 3, None)], "the published tally cannot be read"),
        ([[1, 1, 3]], [[2, -1, 0]], [(1, "unreadable", 3, None)], "the published tally cannot be read"),
        ([[1, 1, 3]], [[2.5, 1, 0]], [(1, "unreadable", 3, None)], "the published tally cannot be read"),
    ],
)  # fmt: skip
def test_the_sum_of_a_tally_fits_the_votes_or_is_a_finding(
    chosen: Settings, tmp_path: Path, dimension: object, tally: object, expected: list[object], finding: str | None
) -> None:
    begin = [] if dimension is None else [created(dimension)]
    Folder(tmp_path / "in").put(*begin, *[vote(f"v{n}", ms(5 + n)) for n in range(3)], END, results(tally))
    update(chosen, tmp_path / "in")
    assert checked(chosen) == expected
    found = open_findings(chosen)
    assert len(found) == (finding is not None)
    assert finding is None or finding in found[0]


def test_a_dump_has_the_same_tallies(chosen: Settings, tmp_path: Path) -> None:
    calls = [created([[1, 1, 2], [0, 2, 3]]), vote("v", ms(5)), END, results([[1, 0], [0, 0, 3]])]
    (tmp_path / "in").mkdir()
    chain = joined([block(1, HOUR + timedelta(hours=3), [call(one, CONTRACT) for one in calls])])
    (tmp_path / "in" / "dump.jsonl").write_bytes(chain)
    update(chosen, tmp_path / "in")
    assert checked(chosen) == [(1, "agrees", 1, 1), (2, "differs", 1, 3)]


def test_options_are_listed_once_voting_is_over(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("v", ms(5)), END, results([[1, 0], [0, 1]]))
    update(chosen, tmp_path / "in")
    found = rows(chosen, 'SELECT question, option, votes FROM metrics.published_tallies ORDER BY question, "option"')
    assert [tuple(row) for row in found.itertuples(index=False)] == [(1, 1, 1), (1, 2, 0), (2, 1, 0), (2, 2, 1)]


def test_nothing_is_shown_while_voting_goes_on(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("v", ms(5)), results([[1, 0]]))
    reference = tmp_path / "reference.csv"
    reference.write_text(
        f"constituency_id,starts_at,ends_at\n{CONTRACT},2026-09-18T05:00Z,2036-09-20T17:00Z\n", "utf-8"
    )
    update(chosen.model_copy(update={"reference": reference}), tmp_path / "in")
    assert checked(chosen) == []


def test_the_newest_tally_that_stands_counts_in_any_order(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(results([[5, 5]], "late", 178), name="2026-09-18_1300-1400")
    update(chosen, folder.root)
    folder.put(vote("v", ms(5)), END, results([[1, 0]], "early", 172), name="2026-09-18_1100-1200")
    update(chosen, folder.root)
    assert checked(chosen) == [(1, "differs", 1, 10)]
    assert len(open_findings(chosen)) == 1
    folder.put(rollback("late"), name="2026-09-18_1400-1500")
    update(chosen, folder.root)
    assert checked(chosen) == [(1, "agrees", 1, 1)]
    assert open_findings(chosen) == []


@pytest.mark.parametrize(
    ("published", "status", "names"),
    [
        ([("Первый", 2), ("Второй", 1)], "agrees", ["Первый", "Второй"]),
        ([("Первый", 1), ("Второй", 2)], "portal_differs", [None, None]),
        ([("Первый", 2)], "portal_differs", ["Первый", None]),
        ([], "agrees", [None, None]),
    ],
)
def test_the_portal_names_the_options_where_it_has_the_same_votes(
    chosen: Settings, tmp_path: Path, published: list[tuple[str, int]], status: str, names: list[str | None]
) -> None:
    Folder(tmp_path / "in").put(*[vote(f"v{n}", ms(5 + n)) for n in range(3)], END, results([[2, 1]]))
    update(chosen, tmp_path / "in")
    base = "statistics/v2/election"
    voting = {"contractId": CONTRACT, "type": "SINGLE", "hasResults": True, "counters": {"voted": 3}}
    answers = {
        "elections?level=FEDERAL": {"data": {"elections": [{"electionId": "e"}]}},
        f"{base}/e": {"data": {"regions": [{"code": 77}]}},
        f"{base}/region?electionId=e&regionCode=77": {"data": {"districts": [{"id": "d"}]}},
        f"{base}/district?electionId=e&districtId=d": {"data": {"tiks": [{"tikId": "t"}]}},
        f"{base}/tik?electionId=e&districtId=d&tikId=t": {
            "data": {"tikName": "Т", "timeOffset": 0, "regionCode": 77, "votings": [voting]}
        },
        f"statistics/chart/hourly?contractIds={CONTRACT}": {"data": []},
        f"results/voting/{CONTRACT}": {"data": {"answers": [{"name": name, "value": n} for name, n in published]}},
    }
    with served(recorded(answers)) as portal:
        settings = chosen.model_copy(update={"portal_url": portal.address, "portal_rate": "1000/second"})
        assert collect_registry(settings, "run").errors == []
        collect_counts(settings, "run")
    update(chosen, tmp_path / "in")
    assert [row[1] for row in checked(chosen)] == [status]
    found = rows(chosen, 'SELECT name FROM metrics.published_tallies ORDER BY "option"')
    assert list(found["name"].astype(object).where(found["name"].notna(), None)) == names
    assert (open_findings(chosen) != []) == (status != "agrees")


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@given(found=_ANY)
def test_any_text_is_a_tally_or_said_to_be_none(found: object) -> None:
    text = json.dumps(found)
    read = json.loads(read_tally(text))
    assert isinstance(read, list) or "unreadable" in read
    limits = read_dimension(text)
    assert limits is None or all(len(one) == 3 for one in json.loads(limits))
    for broken in (None, "", "[", "[" * 100_000):
        assert "unreadable" in json.loads(read_tally(broken))
