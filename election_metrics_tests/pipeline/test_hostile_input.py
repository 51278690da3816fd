"""Input of somebody who means harm, or of a broken machine: the good input beside it is counted all the same."""

import bz2
import lzma
import os
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.settings import Settings
from election_metrics.warehouse import corrections, lake_manifest, ledger
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.server import plain_url
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, line, ms, rollback, vote
from faults.processes import Process

LONG = random.Random(1).randbytes(4_000).hex()


def put_good(root: Path) -> None:
    Folder(root).put(vote("good1", ms(1)), vote("good2", ms(2)), contract=OTHER, name="zz_good")


def good_votes(chosen: Settings) -> int:
    found = rows(
        chosen, f"SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats WHERE constituency_id = '{OTHER}'"
    )
    return found["n"][0]


def put_archive(root: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = root / f"{CONTRACT}_archive.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def put_damaged(root: Path, method: int, packed: Callable[[bytes], bytes]) -> None:
    """An archive of which the middle of the packed bytes is another."""
    content = random.Random(2).randbytes(20_000)
    path = put_archive(root, {f"{CONTRACT}_x.csv": content}, method)
    whole = bytearray(path.read_bytes())
    middle = len(packed(content)) // 2
    for at in range(middle, middle + 40):
        whole[at] ^= 0xFF
    path.write_bytes(whole)


def long_rollback(root: Path) -> None:
    Folder(root).put(vote("a", ms(1)), rollback(LONG))


def long_event(root: Path) -> None:
    Folder(root).put(vote("a", ms(1)), line(LONG, ms(1), "startVoting"))


def long_sender(root: Path) -> None:
    Folder(root).put(vote("a", ms(1), LONG), vote("b", ms(2), LONG))


def long_member(root: Path) -> None:
    put_archive(root, {f"{LONG}/{CONTRACT}_x.csv": vote("a", ms(1)).encode() + b"\n"})


def long_path(root: Path) -> None:
    deep = root
    for number in range(8):
        deep /= f"{LONG[number * 200 : number * 200 + 200]}"
    deep.mkdir(parents=True)
    (deep / f"{CONTRACT}_x.csv").write_text(vote("a", ms(1)) + "\n")


def folder_that_is_no_utf8(root: Path) -> None:
    folder = os.fsencode(root) + b"/\xce\xea\xf0\xf3\xe3"
    os.mkdir(folder)  # noqa: PTH102 a path of bytes
    with open(folder + f"/{CONTRACT}_x.csv".encode(), "w") as file:  # noqa: PTH123
        file.write(vote("a", ms(1)) + "\n")


def file_that_is_no_utf8(root: Path) -> None:
    with open(os.fsencode(root) + b"/\xff.csv", "w") as file:  # noqa: PTH123
        file.write("x\n")


def pipe_that_is_no_utf8(root: Path) -> None:
    os.mkfifo(os.fsencode(root) + b"/\xff.csv")


def damaged_bzip2(root: Path) -> None:
    put_damaged(root, zipfile.ZIP_BZIP2, bz2.compress)


def damaged_lzma(root: Path) -> None:
    put_damaged(root, zipfile.ZIP_LZMA, lzma.compress)


def archive_with_a_wrong_name(root: Path) -> None:
    path = put_archive(root, {f"{CONTRACT}_ж.csv": b""})
    path.write_bytes(path.read_bytes().replace("ж".encode(), b"\xff\xff"))


def nanoseconds(root: Path) -> None:
    Folder(root).put(vote("a", ms(1)), vote("b", ms(1) * 1_000_000), vote("c", 2**63 - 1), vote("d", -(2**63)))


def least_number_of_voters(root: Path) -> None:
    Folder(root).put(line("a", ms(1), "removeFromVotersList", votersCount=-(2**63)), vote("b", ms(2)))


def time_of_another_age(root: Path) -> None:
    path = Folder(root).put(vote("a", ms(1)))
    os.utime(path, ns=(2**64, 2**64))


def files_of_nanoseconds(root: Path) -> None:
    for number in range(130):
        Folder(root).put(f"{number}" + "x" * 100, name=f"a{number}", contract="1" * 44)


def links_to_nowhere_useful(root: Path) -> None:
    for number in range(300):
        (root / f"{CONTRACT}_{number}.csv").symlink_to("/dev/null")


@pytest.mark.parametrize(
    "put",
    [
        long_rollback, long_event, long_sender, long_member, long_path, folder_that_is_no_utf8, file_that_is_no_utf8,
        pipe_that_is_no_utf8, damaged_bzip2, damaged_lzma, archive_with_a_wrong_name, nanoseconds, least_number_of_voters,
        time_of_another_age, files_of_nanoseconds, links_to_nowhere_useful,
    ],
)  # fmt: skip
def test_the_good_beside_it_is_counted(chosen: Settings, tmp_path: Path, put: Callable[[Path], None]) -> None:
    source = tmp_path / "in"
    source.mkdir()
    put(source)
    put_good(source)
    update(chosen, source)
    assert good_votes(chosen) == 2
    pending, unseen, _ = pending_files(chosen, source, settled_only=True)
    assert (pending, unseen) == ([], []), "what cannot be read is written down, and asked for no more"
    problems = rows(chosen, "SELECT path FROM ingest.transaction_files WHERE status = 'unreadable'")
    aside = rows(chosen, "SELECT path FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
    rejected = rows(chosen, "SELECT reason FROM ingest.rejected_transactions")
    assert len(problems) or len(aside) or len(rejected) or put is time_of_another_age


def test_one_wrong_line_costs_only_itself(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1)), vote("b", ms(1) * 1_000_000), vote(LONG, ms(2)), vote("c", ms(2), LONG),
               line("r", ms(3), "addVotersList", votersCount=10**9 + 1))  # fmt: skip
    update(chosen, folder.root)
    reasons = rows(chosen, "SELECT reason FROM ingest.rejected_transactions ORDER BY line_number")["reason"].tolist()
    assert reasons == [
        "the timestamp is more than a day ahead of the clock", "the transaction id or sender is longer than 200 bytes",
        "the transaction id or sender is longer than 200 bytes", "the number of voters is not between 0 and 1000000000",
    ]  # fmt: skip
    assert rows(chosen, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"].tolist() == [1]


@pytest.mark.parametrize("count", [2**63 - 1, 9 * 10**18, 10**9 + 1, -1, -500])
def test_an_impossible_number_of_voters_spoils_no_sum(chosen: Settings, tmp_path: Path, count: int) -> None:
    folder = Folder(tmp_path / "in")
    for contract in (CONTRACT, OTHER):
        folder.put(line(f"r{contract}", ms(0), "addVotersList", votersCount=100), vote(f"v{contract}", ms(1)),
                   line(f"s{contract}", ms(0), "addToVotersList", votersCount=count), contract=contract)  # fmt: skip
    update(chosen, folder.root)
    assert rows(chosen, "SELECT registered_voters FROM metrics.election_summaries").iloc[0, 0] == 200
    assert len(rows(chosen, "SELECT 1 FROM ingest.rejected_transactions")) == 2


@pytest.mark.parametrize("names", [("_[1]", "_1"), ("_?", "_x"), ("_*", "_y")])
def test_a_name_that_is_a_pattern_reads_that_file_and_no_other(
    chosen: Settings, tmp_path: Path, names: tuple[str, str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, one in zip(names, ("a", "c"), strict=True):
        (folder / f"{CONTRACT}{name}.csv").write_text(vote(one, ms(1)) + "\n")
    update(chosen, folder)
    assert rows(chosen, "SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats")["n"][0] == 2


def test_a_link_out_of_the_folder_is_not_followed(chosen: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0\n")
    source = tmp_path / "in"
    put_good(source)
    (source / f"{CONTRACT}_out.csv").symlink_to(secret)
    (source / f"{OTHER}_in.csv").symlink_to(next(source.glob("*good.csv")))
    update(chosen, source)
    assert rows(chosen, "SELECT 1 FROM ingest.rejected_transactions").empty
    reason = rows(chosen, "SELECT reason FROM ingest.transaction_files WHERE status = 'unreadable'")["reason"][0]
    assert reason == "it is a link that leads out of the source"
    assert rows(chosen, "SELECT 1 FROM ingest.transaction_files WHERE status = 'landed'").shape[0] == 2


def test_a_member_speaks_for_no_place_outside_of_its_archive(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    content = vote("a", ms(1)).encode() + b"\n"
    put_archive(source, {f"../../99 - Nowhere/Forged/Place/{CONTRACT}_x.csv": content,
                         f"/99 - Nowhere/Forged/Place/{CONTRACT}_y.csv": content + b"\n"})  # fmt: skip
    update(chosen, source)
    found = rows(chosen, "SELECT region, election, constituency FROM ingest.transaction_files WHERE status = 'landed'")
    assert len(found) == 2
    assert found.isna().all(axis=None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "in"]


def test_two_members_of_one_name_both_land(chosen: Settings, tmp_path: Path) -> None:
    path = tmp_path / "in" / f"{CONTRACT}_twice.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{CONTRACT}_x.csv", vote("a", ms(1)) + "\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(f"{CONTRACT}_x.csv", vote("b", ms(1)) + "\n")
    update(chosen, path.parent)
    members = rows(chosen, "SELECT member FROM ingest.transaction_files ORDER BY member")["member"].tolist()
    assert members == [f"{CONTRACT}_x.csv", f"{CONTRACT}_x.csv#2"]
    assert rows(chosen, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"].tolist() == [2]


def test_an_archive_that_would_fill_the_disk_waits_and_the_others_land(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    path = put_archive(source, {f"{CONTRACT}_x.csv": b"x" * 1_000_000})
    put_good(source)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=1_500_000, used=1_998_500_000, total=2_000_000_000)
    )
    update(chosen.model_copy(update={"reserve_mb": 0}), source)
    assert good_votes(chosen) == 2
    aside = rows(chosen, "SELECT path, reason FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
    assert aside["path"].tolist() == [str(path)]
    assert aside["reason"][0] == "unpacked it has 1 MB, and 2 MB of the lake's disk are free"
    monkeypatch.undo()
    update(chosen.model_copy(update={"set_aside_minutes": 0}), source)
    assert len(rows(chosen, "SELECT 1 FROM ingest.rejected_transactions")) == 1


def test_a_file_of_nothing_but_rubbish_keeps_ten_thousand_lines_and_counts_all(
    chosen: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    put_good(source)
    (source / f"{CONTRACT}_rubbish.csv").write_bytes(b"\n" * 30_000)
    update(chosen, source)
    assert good_votes(chosen) == 2
    assert rows(chosen, "SELECT count(*)::int AS n FROM ingest.rejected_transactions")["n"][0] == 10_000
    counted = rows(chosen, "SELECT lines, rejected FROM ingest.transaction_files WHERE rejected > 0")
    assert counted.iloc[0].tolist() == [30_000, 30_000]


def test_an_archive_of_many_members_is_replaced(chosen: Settings, tmp_path: Path) -> None:
    """A statement takes 65,535 parameters, and a nationwide archive holds more files."""
    with transaction(chosen) as connection:
        ledger.drop_rejected(connection, range(70_000))
        assert corrections.rollback_ids(connection, range(70_000)) == []
        assert lake_manifest.forget_parts(connection, NOW, range(70_000)) == []
        assert lake_manifest.retire_parts(connection, [str(n) for n in range(70_000)], NOW) == 0
        ledger.forget_unreadable(connection, str(tmp_path), [str(n) for n in range(70_000)])


@pytest.fixture
def reachable(chosen: Settings) -> Iterator[Settings]:
    """The same warehouse for a process without root's powers: the embedded server's socket is in a folder of its own."""
    url = make_url(chosen.database_url.get_secret_value())
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / ".s.PGSQL.5432"
        socket.hardlink_to(Path(url.query["host"]) / socket.name)
        socket.chmod(0o777)  # the kernel says who is there: root still
        yield chosen.model_copy(update={"database_url": SecretStr(plain_url(url.set(query={"host": folder})))})
        close_engines()


def test_seed_11_a_file_that_could_not_be_read_once_is_read_later(
    chosen: Settings, reachable: Settings, tmp_path: Path
) -> None:
    """It was listed while it could be read, then lost its permission: it was unreadable for ever."""
    path = Folder(tmp_path / "in").put(vote("a", ms(1)))
    put_good(path.parent)
    path.chmod(0)
    log = tmp_path / "log"
    # The caller's list is older than the loss of permission.
    process = Process(lambda: land(reachable, path.parent, "run", NOW, only=[str(path)]), log, datetime.now(UTC))
    assert process.end(60) == 0, log.read_text()

    def votes_after(settings: Settings) -> int:
        update(settings, path.parent)
        return rows(chosen, "SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats")["n"][0]

    aside = rows(chosen, "SELECT path, reason FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
    assert aside.values.tolist() == [[str(path), "the file cannot be read: Permission denied"]]
    assert votes_after(chosen) == 2, "it waits, so that a disk that fails is not asked every few seconds"
    path.chmod(0o644)
    assert votes_after(chosen) == 3, "a file whose permission was mended is another version"


def test_a_nul_in_any_text_reaches_the_warehouse_written_out(chosen: Settings, tmp_path: Path) -> None:
    """In JSON it is \\u0000; of an id in conflict the call and the reason of a failure are kept in PostgreSQL."""
    folder = Folder(tmp_path)
    fail = [{"key": "FAIL_x", "stringValue": "no\0pe"}]
    folder.put(line("x", ms(1), "odd\0call", "s", fail), line("x", ms(2), "other\0call", "s", fail), vote("v", ms(3)))
    report = update(chosen, folder.root)
    assert (report.rows, report.set_aside) == (2, {})
    kept = rows(chosen, "SELECT operation, fail_reason FROM ingest.conflicting_rows ORDER BY 1").values.tolist()
    assert kept == [["odd\\x00call", "no\\x00pe"], ["other\\x00call", "no\\x00pe"]]
