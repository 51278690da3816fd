"""Which content is which: bytes that only look alike to a fast hash are two; a warehouse of before goes on."""

import itertools
import shutil
import zipfile
from pathlib import Path

import pytest
import xxhash

from election_metrics.digest import name_for
from election_metrics.lake.connect import connect
from election_metrics.pipeline.publication import compute_constituency_metrics
from election_metrics.settings import Settings
from election_metrics.warehouse.migrate import migrate
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, ms, rollback, vote

# What XXH3 sets against the first bytes of its second and third stripe of 64: bytes 8 and 16 of the secret in its code.
_KEYS = bytes.fromhex("7c01812c"), bytes.fromhex("ded46de9")
_STRIPE = 64


def twins() -> tuple[bytes, bytes]:
    """Two contents with the same XXH3-128: what XXH3 multiplies by nothing, it only adds, in whatever order."""

    def content(first: bytes, second: bytes) -> bytes:
        made = b"x" * _STRIPE + _KEYS[0] + first + b"x" * (_STRIPE - 8) + _KEYS[1] + second
        return made.ljust(8 * _STRIPE, b"x") + b"\n"

    return content(b"oneA", b"twoB"), content(b"twoB", b"oneA")


def hashes(chosen: Settings) -> list[str]:
    query = "SELECT content_hash FROM ingest.transaction_files WHERE status = 'landed'"
    found = rows(chosen, query)
    return found["content_hash"].tolist()


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


@pytest.fixture
def before(chosen: Settings, tmp_path: Path) -> Folder:
    """Exports that a release of before 0012 landed: three files, an archive of one of them, all current."""
    folder = Folder(tmp_path / "exports")
    paths = [
        folder.put(issue("a", ms(1)), vote("b", ms(2)), name="1"),
        folder.put(vote("c", ms(3)), rollback("x"), name="2"),
        folder.put(vote("d", ms(4)), name="3", contract=OTHER),
    ]
    with zipfile.ZipFile(folder.root / "all.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    update(chosen, folder.root)
    migrate(chosen, "0010")
    with_hash_of_before(chosen, folder.root)
    migrate(chosen)
    compute_constituency_metrics(chosen, "run", now=NOW)
    assert {len(text) for text in hashes(chosen)} == {32}
    return folder


def with_hash_of_before(chosen: Settings, root: Path) -> None:
    """Sets the content hashes as such a release did."""
    from election_metrics.warehouse.database import transaction

    known = rows(chosen, "SELECT file_id, path, member FROM ingest.transaction_files WHERE status = 'landed'")
    with transaction(chosen) as connection:
        for file_id, path, member in known.itertuples(index=False):
            content = Path(path).read_bytes() if not member else zipfile.ZipFile(path).read(member)
            connection.exec_driver_sql(
                "UPDATE ingest.transaction_files SET content_hash = %s WHERE file_id = %s",
                (xxhash.xxh3_128_hexdigest(content), file_id),
            )


def test_a_warehouse_of_before_lands_nothing_twice(chosen: Settings, before: Folder) -> None:
    figures, landed = everything(chosen), contents(chosen)
    assert landed == 3
    assert update(chosen, before.root).files == 0
    shutil.copytree(before.root, before.root / "copy")
    report = update(chosen, before.root)
    assert (report.files, report.known_contents) == (6, 6)
    assert contents(chosen) == landed
    assert everything(chosen) == figures
    assert {len(text) for text in hashes(chosen)} == {64}


def test_a_copy_of_what_is_gone_is_read_again_and_counts_once(chosen: Settings, before: Folder) -> None:
    figures = everything(chosen)
    shutil.move(before.root / f"{CONTRACT}_1.csv", before.root / f"{CONTRACT}_moved.csv")
    (before.root / "all.zip").unlink()
    report = update(chosen, before.root)
    assert (report.files, report.known_contents) == (1, 0)
    assert everything(chosen) == figures


def test_what_looks_like_a_file_of_before_and_is_none_lands(chosen: Settings, tmp_path: Path) -> None:
    """A hash of before proves nothing: its file is read."""
    one, two = twins()
    paths = [tmp_path / f"{CONTRACT}_{name}.csv" for name in ("1", "2")]
    paths[0].write_bytes(one)
    update(chosen, tmp_path)
    migrate(chosen, "0010")
    with_hash_of_before(chosen, tmp_path)
    migrate(chosen)
    paths[1].write_bytes(two)
    assert (update(chosen, tmp_path).known_contents, contents(chosen)) == (0, 2)


def test_a_file_of_before_that_changes_is_what_it_says_now(chosen: Settings, before: Folder) -> None:
    before.put(vote("b", ms(2)), vote("e", ms(5)), name="1")
    (before.root / "all.zip").unlink()
    update(chosen, before.root)
    assert hourly(chosen)["08"]["votes_cast"] == 4
