"""The SQL and a reference in plain Python, written from the domain, agree on every line that anybody can think of."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.settings import Settings, read_settings
from election_metrics_tests.exports import ms
from election_metrics_tests.lake.staging import LATEST_MS, difference

OPERATIONS = (
    "vote",
    "blindSigIssue",
    "addVotersList",
    "addToVotersList",
    "removeFromVotersList",
    "startVoting",
    "новая",
    "",
)
_texts = st.text(st.characters(exclude_characters=";\n\r\0", exclude_categories=("Cs",)), max_size=8)
_ids = st.one_of(st.sampled_from(["A", "B", "", "x" * 200, "x" * 201, "ж" * 101]), _texts)
_times = st.one_of(
    st.integers(ms(0), ms(180)).map(str), st.sampled_from([LATEST_MS, LATEST_MS + 1, 946684799999, 0, -1, 2**63]).map(str),
    st.sampled_from(["", "1e12", "01789700000000", "+1789700000000", "1789700000000.0", " 1789700000000", "٣"]), _texts,
)  # fmt: skip
_values = st.one_of(
    _texts, st.sampled_from(["[]", "[1,2]", "{}", "0", "-1", "7", "1000000001", '["a"', '[{"userId":"u"}]', "null"])
)
_keys = st.one_of(
    st.sampled_from(
        ["operation", "data", "votersCount", "userIdHashes", "FAIL_x", "xFAILx", "VOTE_A", "VOTE_B", "VOTE_"]
    ),
    _texts,
)


def _pair(key: str, value: str | int | None, name: str) -> dict[str, object]:
    return {"key": key} if value is None else {"key": key, name: value}


_pairs = st.one_of(
    st.builds(_pair, _keys, _values, st.just("stringValue")),
    st.builds(_pair, _keys, st.integers(-(2**63), 2**63 - 1), st.just("intValue")),
    st.builds(_pair, _keys, st.none(), st.just("")),
)
_operations = st.sampled_from(OPERATIONS).map(lambda name: {"key": "operation", "stringValue": name})


def _json(pairs: list[dict[str, object]]) -> str:
    return json.dumps(pairs, ensure_ascii=False).replace(";", "\\u003b")


_params = st.one_of(
    st.builds(lambda first, rest: _json([first, *rest]), _operations, st.lists(_pairs, max_size=3)),
    st.lists(_pairs, max_size=3).map(_json),
    st.sampled_from(["", "[", "{}", "[]", "null", "[[]]", '["a"]', "[1]", "[null]", " []", "[] ", "[]x"]),
)
_lines = st.builds(
    lambda *fields: ";".join(fields),
    _ids, st.sampled_from(["103", "104", ""]), _texts, _texts, _times, st.one_of(st.sampled_from(["A", "B", ""]), _ids), _texts,
    _texts, _params, _params, _texts, st.sampled_from(["", "", "", "-1", "1", " "]),
).map(str.encode)  # fmt: skip
EXPORTS = st.tuples(
    st.lists(st.one_of(_lines, _lines, _lines, st.binary(max_size=30)), max_size=12),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
).map(lambda parts: parts[1].join(parts[0]) + (parts[1] if parts[2] else b""))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Settings, Path]]:
    folder = tmp_path_factory.mktemp("reference")
    chosen = read_settings(home=folder, threads=1)
    with connect(chosen) as connection:
        yield connection, chosen, folder


# Eight files at once: a scan's plan takes longer than its lines.
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(contents=st.lists(EXPORTS, min_size=8, max_size=8))
def test_the_sql_and_the_reference_agree_on_every_line(engine, contents: list[bytes]) -> None:
    assert difference(*engine, *contents) == ""
