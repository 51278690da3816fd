"""Which content is which: bytes that only look alike to a fast hash are two."""

import itertools
from pathlib import Path

import xxhash

from election_metrics.digest import name_for
from election_metrics.lake.connect import connect
from election_metrics.settings import Settings
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import CONTRACT

# What XXH3 sets against the first bytes of its second and third stripe of 64: bytes 8 and 16 of the secret in its code.
_KEYS = bytes.fromhex("7c01812c"), bytes.fromhex("ded46de9")
_STRIPE = 64


def twins() -> tuple[bytes, bytes]:
    """Two contents with the same XXH3-128: what XXH3 multiplies by nothing, it only adds, in whatever order."""

    def content(first: bytes, second: bytes) -> bytes:
        made = b"x" * _STRIPE + _KEYS[0] + first + b"x" * (_STRIPE - 8) + _KEYS[1] + second
        return made.ljust(8 * _STRIPE, b"x") + b"\n"

    return content(b"oneA", b"twoB"), content(b"twoB", b"oneA")


def contents(chosen: Settings) -> int:
    query = "SELECT count(DISTINCT content_id) AS n FROM ingest.transaction_files WHERE status = 'landed'"
    return int(rows(chosen, query)["n"].iloc[0])


def test_two_contents_that_a_fast_hash_takes_for_one_both_land(chosen: Settings, tmp_path: Path) -> None:
    one, two = twins()
    assert one != two
    assert xxhash.xxh3_128_digest(one) == xxhash.xxh3_128_digest(two)
    for name, content in (("1", one), ("2", two)):
        (tmp_path / f"{CONTRACT}_{name}.csv").write_bytes(content)
    report = update(chosen, tmp_path)
    assert (report.files, report.known_contents, contents(chosen)) == (2, 0, 2)


def test_a_name_holds_all_of_its_text() -> None:
    one, two = twins()
    assert name_for(one) != name_for(two)
    assert name_for("a") == name_for(b"a") != name_for("б")
    assert len(name_for("\udcff")) == 40


def test_rows_say_the_same_only_where_every_field_does(chosen: Settings) -> None:
    fields = "CAST(1 AS BIGINT), 'north', 'vote_cast', {}, CAST(NULL AS BIGINT), {}, {}"
    said = [
        fields.format("'vote'", "concat('key', chr(31), 'x')", "NULL"),
        fields.format("'vote'", "'key'", "concat('x', chr(31), chr(30))"),
        fields.format("'vote'", "'key'", "NULL"),
        fields.format("'vote'", "'key'", "''"),
    ]
    with connect(chosen) as engine:
        for one, other in itertools.product(said, said):
            query = f"SELECT row_value({one}) <> row_value({other}) AS differs"
            assert bool(engine.query(query)["differs"].iloc[0]) == (one != other)
