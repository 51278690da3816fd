"""Whatever the order, the batches and the processes that land files, the tables are the same."""

import itertools
import random
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election_metrics.pipeline.file_landing import land
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, everything, rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.end_to_end.running import FULL
from election_metrics_tests.exports import Folder, issue, line, ms, rollback, vote

SERIES = Path(__file__).parents[1] / "data" / "series.csv"
Tables = dict[str, list[tuple[object, ...]]]


def tree(folder: Path) -> Path:
    """A small replay with every fault."""
    for _ in write_replay(read_series(SERIES), folder / "tree", seed=7, faults=True):
        pass
    return folder / "tree"


@pytest.fixture(scope="module")
def landed_at_once(server: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tables]:
    """The replay, and the tables of all its files at once."""
    folder = tmp_path_factory.mktemp("at-once")
    source = tree(folder)
    with empty_warehouse(server, folder / "home") as clean:
        update(clean, source)
        return source, everything(clean)


@pytest.mark.parametrize("seed", range(3 if FULL else 1))
@pytest.mark.long
def test_any_order_and_any_batches_give_the_same_tables(
    chosen: Settings, tmp_path: Path, landed_at_once: tuple[Path, Tables], seed: int
) -> None:
    source, expected = landed_at_once
    files = sorted(source.rglob("*.csv"))
    dice = random.Random(seed)
    dice.shuffle(files)
    for start in range(0, len(files), 1 + len(files) // dice.randint(2, 6)):
        for file in files[start : start + 1 + len(files) // 4]:
            target = tmp_path / "in" / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        update(chosen, tmp_path / "in")
    shutil.copytree(source, tmp_path / "in", dirs_exist_ok=True)
    update(chosen, tmp_path / "in")
    assert everything(chosen) == expected


_HOUR_OF_EVERYTHING = [
    *[issue(f"i{n}", ms(n, hour=n % 2)) for n in range(6)],
    *[vote(f"v{n}", ms(n, hour=n % 2)) for n in range(4)],
    vote("again", ms(30), sender="key-v1"), vote("earlier", ms(0.5), sender="key-v2"), rollback("v3"), rollback("i5"),
    rollback("never"), issue("i1", ms(1, hour=1)), line("r", ms(0), "addVotersList", votersCount=40),
    line("w", ms(50), "removeFromVotersList", votersCount=3), line("s", ms(0), "startVoting"), "rubbish",
]  # fmt: skip


@pytest.fixture(scope="module")
def hour_of_everything(server: str, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables of one file of these lines in their order."""
    folder = tmp_path_factory.mktemp("hour")
    Folder(folder / "in").put(*_HOUR_OF_EVERYTHING, name="0_x")
    with empty_warehouse(server, folder / "home") as clean:
        update(clean, folder / "in")
        return everything(clean)


@given(st.data())
@settings(max_examples=8 if FULL else 4, deadline=None)
@pytest.mark.long
def test_splitting_hours_into_any_files_order_and_batches_never_changes_a_table(
    server: str, hour_of_everything: Tables, data: st.DataObject
) -> None:
    lines = data.draw(st.permutations(_HOUR_OF_EVERYTHING))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(lines) - 1), max_size=4)))
    with TemporaryDirectory() as place, empty_warehouse(server, Path(place) / "home") as chosen:
        folder = Folder(Path(place) / "in")
        for number, (begin, end) in enumerate(itertools.pairwise([0, *cuts, len(lines)])):
            folder.put(*lines[begin:end], name=f"{number}_x")
            if data.draw(st.booleans()):
                update(chosen, folder.root)
        update(chosen, folder.root)
        assert everything(chosen) == hour_of_everything


_LAND = """
import sys
from pathlib import Path
from election_metrics.settings import read_settings
from election_metrics_tests.computing import NOW
from election_metrics.clock import hour_number
from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.file_landing import land
print(land(read_settings(batch_bytes=200_000), Path(sys.argv[1]), "run", NOW).rows)
"""


@pytest.mark.long
@pytest.mark.rare
def test_two_processes_at_once_land_every_row_once(chosen: Settings, tmp_path: Path) -> None:
    source = tree(tmp_path)
    command = [sys.executable, "-c", _LAND, str(source)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    landed = [int(process.communicate(timeout=120)[0]) for process in both]
    update(chosen, source)
    total = (
        rows(chosen, "SELECT sum(rows)::bigint AS rows, sum(lines)::bigint AS lines FROM ingest.transaction_files")
        .iloc[0]
        .tolist()
    )
    assert sum(landed) == total[0]
    lines = sum(file.read_bytes().count(b"\n") for file in source.rglob("*.csv"))
    assert total[1] == lines


@pytest.mark.long
@pytest.mark.rare
def test_a_landing_that_is_killed_leaves_nothing_that_counts(chosen: Settings, tmp_path: Path) -> None:
    source = tree(tmp_path)
    kill = _LAND.replace("print(", "import os\nfrom election_metrics.warehouse import stale_hours\n"
                         "stale_hours.mark_hours_stale = lambda *a, **k: os.kill(os.getpid(), 9)\nprint(")  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", kill, str(source)], check=False)
    assert killed.returncode == -9
    assert rows(chosen, "SELECT * FROM ingest.transaction_files").empty
    assert list(chosen.lake_path.rglob("*.parquet"))
    update(chosen, source)
    once = everything(chosen)
    land(chosen, source, "run", NOW)
    assert everything(chosen) == once
    assert [folder.name for folder in (chosen.lake_path / "work").iterdir()] == []
