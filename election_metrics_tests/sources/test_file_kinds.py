"""Every file below a source is accounted for: read, ignored by rule, or named as of a kind that is not read."""

from pathlib import Path

import pytest

from election_metrics.sources.file_kinds import is_export, is_ignored
from election_metrics.sources.listing import list_exports
from election_metrics_tests.exports import CONTRACT, Folder, ms, vote
from election_metrics_tests.typed import typed

STEM = f"{CONTRACT}_2026-09-18_1100-1200"


@pytest.mark.parametrize(
    "name",
    [f"{STEM}.csv.part", f"{STEM}.CSV.crdownload", f"{STEM}.zip.download", f".{STEM}.csv", f"~${STEM}.csv", f"._{STEM}.csv",
     ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX", f"{STEM}.csv.!qB"],
)  # fmt: skip
def test_what_a_system_or_a_download_leaves_is_ignored(name: str) -> None:
    assert is_ignored(name)
    assert not is_export(name)


def test_each_kind_that_is_not_read_is_counted_with_an_example(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "day 1"
    Folder(folder).put(vote("a", ms(1)))
    for name in (
        f"{STEM}.xlsx.gz",
        "day.json.gz",
        "day.7z",
        f"{STEM}.csv.txt",
        "notes.txt",
        "README",
        f"{STEM}.csv.part",
    ):
        (folder / name).touch()
    found = {kind.ending: kind for kind in list_exports(tmp_path / "in").not_read.values()}
    assert {ending: (kind.files, kind.may_be_exports) for ending, kind in found.items()} == {
        ".gz": (2, True), ".7z": (1, True), ".txt": (2, True), "": (1, False),
    }  # fmt: skip
    assert found[".txt"].example == str(folder / f"{STEM}.csv.txt"), "what looks like an export, not the notes"


@pytest.mark.parametrize("ending", [".001", ".z01", ".r00", ".tar.lz", ".zipx", ".exe", ".lzh", ".lz4", ".RAR"])
def test_an_archive_that_is_not_read_may_hold_exports(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"export{ending}").touch()
    (kind,) = list_exports(tmp_path).not_read.values()
    assert kind.may_be_exports


def test_a_link_that_leads_nowhere_is_named_and_stops_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source).put(vote("a", ms(1)))
    Folder(source / ".store" / "perm").put(vote("b", ms(1)))
    loop = source / f"{STEM}_loop.csv"
    loop.symlink_to(loop)
    (source / "69 - Тверская область").symlink_to(tmp_path / "gone")
    (source / f"{STEM}_gone.csv").symlink_to(tmp_path / "gone.csv")
    (source / "90 - Пермский край").symlink_to(source / ".store" / "perm")
    (source / "again").symlink_to(source)
    listing = list_exports(source)
    assert len(listing.files) == 1
    said = {Path(problem.version.path).name: problem.reason for problem in listing.unreadable}
    assert said == {
        loop.name: "it is a link that cannot be followed: Too many levels of symbolic links",
        "69 - Тверская область": f"it is a link to {tmp_path}/gone, which does not exist",
        f"{STEM}_gone.csv": f"it is a link to {tmp_path}/gone.csv, which does not exist",
        "90 - Пермский край": "it is a link to a folder that is ignored: '.store' is hidden",
    }


@pytest.mark.long
def test_ingest_and_status_say_so_and_the_exit_code_too(tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source).put(vote("a", ms(1)))
    home = {"ELECTION_METRICS_HOME": str(tmp_path / "home"), "ELECTION_METRICS_SOURCE": str(source)}
    (source / "README.md").touch()
    done = typed("ingest", str(source), **home)
    assert done.returncode == 0, "what can be no export loses nothing"
    (source / f"{CONTRACT}_dump.csv.7z").touch()
    for _ in range(2):
        done = typed("ingest", str(source), **home)
        assert done.returncode == 3
        assert f"1 file(s) .7z, such as {source}/{CONTRACT}_dump.csv.7z: unpack them" in done.stderr
    assert "1 file(s) .7z, such as" in typed("status", **home).stdout


def test_a_linked_folder_is_named_unless_it_leads_within(tmp_path: Path) -> None:
    source, outside = tmp_path / "in", tmp_path / "outside"
    Folder(source / "real").put(vote("a", ms(1)))
    Folder(outside).put(vote("b", ms(2)))
    (source / "within").symlink_to(source / "real")
    (source / "beyond").symlink_to(outside)
    listing = list_exports(source)
    assert [file.path for file in listing.files] == [str(source / "real" / f"{STEM}.csv")]
    (named,) = listing.unreadable
    assert named.version.path == str(source / "beyond")
    assert "lies outside of" in named.reason
