"""Whatever archive an export is in, it is the same export; what is damaged is never taken for whole."""

import gzip
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from election_metrics.sources.archives import DEEPEST, NotUnpacked, Unpacked, name_in_zip, unpack
from election_metrics.sources.export_file import ExportFile
from election_metrics.sources.file_versions import Unreadable, version_at
from election_metrics.sources.listing import list_exports
from election_metrics.sources.portal_exports import read_exports, sample_times
from election_metrics_tests.archived import ARCHIVES, COMPRESS, Files, tarred, zipped
from election_metrics_tests.exports import CONTRACT, OTHER, ms, vote

zst = COMPRESS[".zst"]
PLACE = "90 - Пермский край/Выборы/Округ №1"
FILES: Files = {
    f"{PLACE}/{CONTRACT}/{CONTRACT}_2026-09-18_1100-1200/{CONTRACT}_2026-09-18_1100-1200.csv":
        f"{vote('a', ms(1))}\n{vote('b', ms(2))}\n".encode(),
    f"{PLACE}/{CONTRACT}_2026-09-18_1200-1300.csv": f"{vote('c', ms(1, hour=1))}\n".encode(),
    f"90 - Пермский край/Выборы/Округ №2/{OTHER}_2026-09-18_1100-1200.csv": f"{vote('d', ms(3))}\n".encode(),
}  # fmt: skip


def read(root: Path, work: Path) -> tuple[list[ExportFile], list[Unreadable]]:
    """Every export below a folder, and what cannot be read."""
    work.mkdir(exist_ok=True)
    found = [export for version in list_exports(root).files for export in read_exports(version, root, work)]
    return [one for one in found if isinstance(one, ExportFile)], [one for one in found if isinstance(one, Unreadable)]


def meaning(exports: list[ExportFile]) -> list[tuple[object, ...]]:
    """What the exports say, whatever they lie in."""
    return sorted((repr(one.place), one.content_hash, one.size, one.readable.read_bytes()) for one in exports)


def put(root: Path, files: Files) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


@pytest.fixture
def on_disk(tmp_path: Path) -> list[tuple[object, ...]]:
    """What the files say as they are."""
    put(tmp_path / "plain", FILES)
    return meaning(read(tmp_path / "plain", tmp_path / "work of plain")[0])


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_says_what_its_files_say(tmp_path: Path, on_disk: list[tuple[object, ...]], kind: str) -> None:
    ending, make = ARCHIVES[kind]
    put(tmp_path / "in", {f"exports{ending}": make(FILES)})
    exports, unreadable = read(tmp_path / "in", tmp_path / "work")
    assert unreadable == []
    assert meaning(exports) == on_disk
    assert len({one.name for one in exports}) == len(exports)


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_says_what_the_file_says(
    tmp_path: Path, on_disk: list[tuple[object, ...]], ending: str
) -> None:
    put(tmp_path / "in", {f"{path}{ending}": COMPRESS[ending](content) for path, content in FILES.items()})
    exports, unreadable = read(tmp_path / "in", tmp_path / "work")
    assert unreadable == []
    assert meaning(exports) == on_disk
    assert all(sample_times(version) for version in list_exports(tmp_path / "in").files)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_with_the_name_of_a_region_is_its_folder(
    tmp_path: Path, on_disk: list[tuple[object, ...]], kind: str
) -> None:
    ending, make = ARCHIVES[kind]
    inside = {path.removeprefix("90 - Пермский край/"): content for path, content in FILES.items()}
    put(tmp_path / "in", {f"90 - Пермский край{ending}": make(inside)})
    assert meaning(read(tmp_path / "in", tmp_path / "work")[0]) == on_disk


@pytest.mark.parametrize("kind", sorted(set(ARCHIVES) - {"tar"}))  # which has no checksum
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_of_a_damaged_archive_becomes_a_line(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    ending, make = ARCHIVES[kind]
    whole = make(FILES)
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    damaged = whole[:at] if cut else whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    folder = tmp_path / os.urandom(8).hex()
    folder.mkdir()
    (folder / "x").write_bytes(damaged)
    found = list(unpack(folder / "x", f"x{ending}", folder))
    assert found
    for one in found:
        if isinstance(one, Unpacked):
            assert one.file.read_bytes() in FILES.values()
    if len(damaged) < len(whole) - 2_000:  # more than what may follow the last member
        assert any(isinstance(one, NotUnpacked) for one in found)


def tars() -> Iterator[tuple[str, bytes]]:
    """Tars that are cut off anywhere, have a damaged header, or are followed by another one."""
    whole = tarred(FILES)
    content = len(whole.rstrip(b"\0"))
    sizes = {*range(0, content, 700), *range(0, content, 512), content - 1}
    yield from ((f"cut at {size}", whole[:size]) for size in sorted(sizes))
    with tarfile.open(fileobj=io.BytesIO(whole)) as members:
        headers = [info.offset for info in members]
    for header in headers[1:]:
        yield f"header at {header}", whole[: header + 3] + b"?" + whole[header + 4 :]
    yield "two", whole + whole
    yield "rubbish behind", whole + b"x"


def test_a_tar_that_is_damaged_gives_nothing_and_says_so(tmp_path: Path) -> None:
    for what, damaged in tars():
        for ending, content in ((".tar", damaged), (".tar.gz", gzip.compress(damaged)), (".tzst", zst(damaged))):
            (tmp_path / "x").write_bytes(content)
            found = list(unpack(tmp_path / "x", f"x{ending}", tmp_path))
            assert found, (what, ending)
            assert all(isinstance(one, NotUnpacked) for one in found), (what, ending)


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_compressed_file_that_is_cut_off_gives_nothing_and_says_so(tmp_path: Path, ending: str) -> None:
    lines = "".join(f"{vote(f'v{n}', ms(n % 60), os.urandom(12).hex())}\n" for n in range(400)).encode()
    flushed = zstandard.ZstdCompressor().compressobj()
    half = flushed.compress(lines[:20_000]) + flushed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    whole = COMPRESS[ending](lines)
    cut = [whole[:size] for size in range(1, len(whole), max(1, len(whole) // 40))]
    for content in [*cut, half] if ending == ".zst" else cut:
        (tmp_path / "x").write_bytes(content)
        found = list(unpack(tmp_path / "x", f"{CONTRACT}_x.csv{ending}", tmp_path))
        assert found
        assert all(isinstance(one, NotUnpacked) for one in found), len(content)
    for content in (whole, whole + COMPRESS[ending](b"more\n")):  # frames may follow one another
        (tmp_path / "x").write_bytes(content)
        (one,) = unpack(tmp_path / "x", f"{CONTRACT}_x.csv{ending}", tmp_path)
        assert isinstance(one, Unpacked)
        assert one.file.read_bytes() == (lines if content == whole else lines + b"more\n")


def test_what_is_in_an_archive_and_not_read_is_named(tmp_path: Path) -> None:
    (name, content), *_ = FILES.items()
    files = {name: content, "a/.DS_Store": b"x", "__MACOSX/a/._x.csv": b"x", "a/~$x.csv": b"x", "a/Thumbs.db": b"x",
             "readme.txt": b"x", "more.7z": b"x", f"b/{CONTRACT}_2026-09-18_1300-1400.xlsx": b"x"}  # fmt: skip
    for ending, make in (ARCHIVES["zip"], ARCHIVES["tgz"], ARCHIVES["a zip of a zip"]):
        put(tmp_path / ending, {f"all{ending}": make(files)})
        exports, unreadable = read(tmp_path / ending, tmp_path / "work")
        assert len(exports) == 1
        assert sorted(one.member.rpartition("/")[2] for one in unreadable) == [
            f"{CONTRACT}_2026-09-18_1300-1400.xlsx", "more.7z",
        ]  # fmt: skip
        assert all(one.reason.startswith("of a kind that is not read: 1 file(s) ") for one in unreadable)
        assert not any(one.may_pass for one in unreadable)


def test_an_archive_without_an_export_says_what_it_holds(tmp_path: Path) -> None:
    for ending, make in (ARCHIVES["zip"], ARCHIVES["tgz"]):
        (tmp_path / "x").write_bytes(make({"a.json": b"{}", "b.json": b"{}", "README": b""}))
        (found,) = unpack(tmp_path / "x", f"x{ending}", tmp_path)
        assert found == NotUnpacked(
            "", "the archive holds no .csv file; it holds 2 file(s) .json, 1 file(s) without an ending"
        )


def test_archives_within_archives_have_an_end(tmp_path: Path) -> None:
    content = FILES
    for depth in range(1, DEEPEST + 3):
        content = {"x.zip": zipped(content)}
        put(tmp_path / str(depth), content)
        exports, unreadable = read(tmp_path / str(depth), tmp_path / f"work {depth}")
        assert len(exports) == (3 if depth <= DEEPEST else 0)
        assert len(unreadable) == (depth > DEEPEST)
    assert "within one another; unpack it" in unreadable[0].reason


def quines() -> Iterator[tuple[str, bytes]]:
    """Archives that say a small size, or none, and become large."""
    zeros = bytes(6_000_000)
    for ending, compress in COMPRESS.items():
        yield f"{CONTRACT}_2026.csv{ending}", compress(zeros)
        yield f"x.tar{ending}", compress(tarred({f"{CONTRACT}_2026.csv": zeros}))
    honest = zipped({f"{CONTRACT}_2026.csv": zeros})
    yield "honest.zip", honest
    small = (5).to_bytes(4, "little")
    yield "liar.zip", honest.replace(len(zeros).to_bytes(4, "little"), small)
    yield "nested.zip", zipped({"x.zip": honest})


def test_what_would_fill_the_disk_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=8_000_000))
    for name, content in quines():
        (tmp_path / "x").write_bytes(content)
        (found,) = unpack(tmp_path / "x", name, tmp_path)
        assert isinstance(found, NotUnpacked), name
        assert "MB of the lake's disk are free" in found.reason or name == "liar.zip", (name, found.reason)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4_000_000


@pytest.mark.long
def test_what_unpacks_to_much_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(zst(bytes(600_000_000)))
    tracemalloc.start()
    try:
        (found,) = unpack(tmp_path / "x", f"{CONTRACT}_x.csv.zst", tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 300_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(found, Unpacked)


def test_links_and_paths_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / f"{CONTRACT}_secret.csv"
    secret.write_text(f"{vote('x', ms(1))}\n")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for kind, target in ((tarfile.SYMTYPE, str(secret)), (tarfile.LNKTYPE, str(secret)), (tarfile.FIFOTYPE, "")):
            info = tarfile.TarInfo(f"{CONTRACT}_{kind.decode()}.csv")
            info.type = kind
            setattr(info, "linkname", target)  # noqa: B010 vulture sees no reader of it
            archive.addfile(info)
        info = tarfile.TarInfo(f"../../90 - Пермский край/Выборы/{CONTRACT}_up.csv")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"good\n"))
    put(tmp_path / "in", {"x.tar": whole.getvalue()})
    exports, unreadable = read(tmp_path / "in", tmp_path / "work")
    assert [one.readable.read_bytes() for one in exports] == [b"good\n"]
    assert exports[0].place.election is None, "a path that leads out of its archive says no place"
    assert {one.reason for one in unreadable} == {"it is a link or a device, not a file"}
    assert len(unreadable) == 3
    assert not (tmp_path.parent / f"{CONTRACT}_up.csv").exists()


def test_a_member_under_a_password_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped({f"{CONTRACT}_2026.csv": b"x"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (info,) = archive.infolist()
    for at in (6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1  # the flag
    put(tmp_path / "in", {"x.zip": bytes(content)})
    assert info.filename == f"{CONTRACT}_2026.csv"
    _, (one,) = read(tmp_path / "in", tmp_path / "work")
    assert "password" in one.reason


def test_times_of_a_file_come_from_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / f"{CONTRACT}_2026.csv"
    path.write_text("".join(f"{vote(f'v{n}', ms(n % 60, hour=n // 100))}\n" for n in range(7_000)))
    times = sample_times(version_at(path))
    hours = {time // 3_600_000 for time in times}
    assert len(hours) >= 10
    assert max(hours) - min(hours) == 69
    (tmp_path / "y.csv").write_text("")
    assert sample_times(version_at(tmp_path / "y.csv")) == []


@pytest.mark.parametrize(
    ("ending", "between", "whole"),
    [
        (".xz", b"", True), (".xz", bytes(4), True), (".xz", bytes(8_192), True), (".xz", bytes(3), False),
        (".xz", b"rubbish", False), (".bz2", b"", True), (".bz2", bytes(4), False), (".bz2", b"B", False),
        (".gz", b"", True), (".gz", bytes(512), True), (".gz", b"x", False), (".zst", b"", True), (".zst", b"x", False),
    ],
)  # fmt: skip
def test_streams_that_follow_one_another_are_read_whole_or_not_at_all(
    tmp_path: Path, ending: str, between: bytes, whole: bool
) -> None:
    parts = [f"{vote(name, ms(1))}\n".encode() for name in ("a", "b")]
    packed = COMPRESS[ending](parts[0]) + between + COMPRESS[ending](parts[1])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{CONTRACT}_x.csv{ending}").write_bytes(packed)
    found, problems = read(tmp_path / "in", tmp_path / "work")
    assert [one.readable.read_bytes() for one in found] == ([b"".join(parts)] if whole else [])
    assert len(problems) == (not whole)


@pytest.mark.parametrize(("of", "name"), [(b"x.csv", "Выборы «Дума»/№1.csv"), (b"other", "x.csv")])
def test_a_name_in_unicode_beside_a_members_name_is_the_name(of: bytes, name: str) -> None:
    """Info-ZIP writes it there; it counts only where it is of this name."""
    field = struct.pack("<BI", 1, zlib.crc32(of)) + "Выборы «Дума»/№1.csv".encode()
    info = zipfile.ZipInfo("x.csv")
    info.extra = struct.pack("<HH", 0x5455, 1) + b"\1" + struct.pack("<HH", 0x7075, len(field)) + field
    assert name_in_zip(info) == name
