"""A contract that does not block re-votes lets the last vote of a voter key count; elsewhere the first one counts."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from election_metrics.settings import Settings
from election_metrics_tests.blocks import block, call, joined
from election_metrics_tests.computing import hourly, rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, rollback, vote


def created(contract: str, *, is_blocked: bool | None) -> str:
    """The transaction that creates a contract."""
    base = {"dimension": [[1, 1, 3]], "votersListRegistrator": "x; y"}
    base |= {} if is_blocked is None else {"isRevoteBlocked": is_blocked}
    state = [{"key": "VOTING_BASE", "stringValue": json.dumps(base)}, {"key": "SERVERS", "stringValue": "[]"}]
    return line(contract, ms(-30), "createContract", diff=state).replace(";104;", ";103;", 1)


@pytest.mark.parametrize(("is_blocked", "hour_of_vote"), [(False, "10"), (True, "08"), (None, "08")])
def test_the_contract_says_which_vote_counts(
    *, is_blocked: bool | None, hour_of_vote: str, chosen: Settings, tmp_path: Path
) -> None:
    Folder(tmp_path / "in").put(
        created(CONTRACT, is_blocked=is_blocked), *[vote(f"v{hour}", ms(5, hour), "key") for hour in range(3)]
    )
    update(chosen, tmp_path / "in")
    found = {hour: counts.get("votes_cast", 0) for hour, counts in hourly(chosen).items()}
    assert [hour for hour, votes in found.items() if votes] == [hour_of_vote]
    assert sum(counts.get("revotes", 0) for counts in hourly(chosen).values()) == 2


def test_the_rule_arrives_after_the_votes_and_is_taken_back(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1), "key"), vote("b", ms(70), "key"), name="votes")
    update(chosen, folder.root)
    assert hourly(chosen)["08"]["votes_cast"] == 1
    rule = folder.put(created(CONTRACT, is_blocked=False), name="rule")
    update(chosen, folder.root)
    assert "votes_cast" not in hourly(chosen)["08"]
    assert hourly(chosen)["09"]["votes_cast"] == 1
    rule.write_text(created(CONTRACT, is_blocked=True) + "\n")
    update(chosen, folder.root)
    assert hourly(chosen)["08"]["votes_cast"] == 1
    assert "votes_cast" not in hourly(chosen)["09"]


@pytest.mark.parametrize("order", [*itertools.permutations(["votes", "rule", "rollback"])])
def test_the_rule_of_a_contract_that_is_withdrawn_does_not_count(
    order: tuple[str, ...], chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    lines = {
        "votes": [vote("a", ms(1), "key"), vote("b", ms(70), "key")], "rule": [created(CONTRACT, is_blocked=False)],
        "rollback": [rollback(CONTRACT)],
    }  # fmt: skip
    for step in order:
        folder.put(*lines[step], name=step)
        update(chosen, folder.root)
    assert hourly(chosen)["08"]["votes_cast"] == 1
    assert "votes_cast" not in hourly(chosen)["09"]


VOTES = st.lists(
    st.tuples(st.sampled_from([CONTRACT, OTHER]), st.integers(0, 179), st.integers(0, 2), st.booleans()),
    min_size=1, max_size=10,
)  # fmt: skip


@how(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=VOTES, order=st.permutations(range(4)), by_dump=st.booleans())
def test_both_rules_hold_under_any_order_rollback_and_late_arrival(
    *,
    drawn: list[tuple[str, int, int, bool]],
    order: list[int],
    by_dump: bool,
    server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("votes")
    # A counter of its own: votes of a key in order, of which one counts.
    standing: dict[tuple[str, int], list[tuple[int, str]]] = {}
    for number, (contract, minute, key, is_withdrawn) in enumerate(drawn):
        if not is_withdrawn:
            standing.setdefault((contract, key), []).append((ms(minute), f"t{number}"))
    expected: dict[tuple[str, int], int] = {}
    for (contract, _), votes in standing.items():
        at = sorted(votes)[-1 if contract == CONTRACT else 0][0]
        expected[contract, at // 3_600_000] = expected.get((contract, at // 3_600_000), 0) + 1
    parts: list[list[tuple[str, str]]] = [[], [], [], []]
    for number, (contract, minute, key, is_withdrawn) in enumerate(drawn):
        parts[number % 3].append((contract, vote(f"t{number}", ms(minute), f"key-{key}")))
        if is_withdrawn:
            parts[(number + 1) % 3].append((contract, rollback(f"t{number}")))
    parts[3] = [(name, created(name, is_blocked=name == OTHER)) for name in (CONTRACT, OTHER)]
    with empty_warehouse(server, root / "home") as chosen:
        for place in order:
            if by_dump and place == 3:
                calls = [call(text, name) for name, text in parts[3]]
                (root / "in").mkdir(exist_ok=True)
                (root / "in" / "dump.jsonl").write_bytes(joined([block(1, HOUR, calls)]))
            else:
                for name, group in itertools.groupby(sorted(parts[place]), key=lambda one: one[0]):
                    Folder(root / "in").put(*[text for _, text in group], contract=name, name=f"part{place}")
            (root / "in").mkdir(exist_ok=True)
            update(chosen, root / "in")
        found = rows(
            chosen,
            "SELECT constituency_id, hour, votes_cast FROM metrics.hourly_stats WHERE votes_cast > 0 ORDER BY 1, 2",
        )
    assert {
        (row.constituency_id, int(row.hour.timestamp()) // 3600): row.votes_cast for row in found.itertuples()
    } == expected


def test_an_older_issue_names_its_voters_in_user_ids(chosen: Settings, tmp_path: Path) -> None:
    ids = json.dumps(["voter-1", "voter-2"])
    Folder(tmp_path / "in").put(
        line("a", ms(1), "blindSigIssue", userIds=ids), line("b", ms(2), "blindSigIssue", userIds='["voter-1"]'),
        issue("c", ms(3)),
    )  # fmt: skip
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["bulletins_issued"] == 4
    twice = rows(chosen, "SELECT explanation FROM metrics.anomalies WHERE rule = 'voter_issued_twice'")
    assert len(twice) == 1
