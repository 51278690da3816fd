"""Writes the export tree of a replay.

A replay streams: it holds one bucket of one constituency in memory, whatever the size of the tree. It counts
everything it writes, so it also knows the expected result (`expected.json`).
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from election_metrics.clock import HOUR_MS
from election_metrics.errors import SourceError
from election_metrics.replay.random_texts import RandomTexts
from election_metrics.replay.votings import Bucket, Replay
from election_metrics.replay.writer import ConstituencyWriter


def write_replay(
    buckets: Iterable[Bucket], out: Path, *, seed: int = 0, zipped: bool = False, faults: bool = False,
    precincts: bool = False,
) -> Iterator[Replay]:  # fmt: skip
    """Writes the export tree; yields what it has written so far after every bucket, and once more at the end.

    Args:
        buckets: constituency by constituency, each in order of time.
        out: the folder of the tree.
        seed: the same seed gives the same bytes.
        zipped: write every file as a zip.
        faults: add faults of real data: failed and rejected calls, unknown outcomes, re-votes, rollbacks before and
            after their transaction, repeated lines, overlapping files, late rows, garbage.
        precincts: name the precinct of each bulletin, and list voters by precinct.
    """
    replay = Replay()
    random = RandomTexts(seed)
    writer: ConstituencyWriter | None = None
    last_ms = 0
    for bucket in buckets:
        start_ms = int(bucket.start.timestamp() * 1000)
        if writer is None or writer.voting != bucket.voting:
            if writer is not None:
                _end_voting(writer, last_ms)
            writer = ConstituencyWriter(
                replay, bucket.voting, out, random, zipped=zipped, faults=faults, precincts=precincts
            )
            _begin_voting(writer, start_ms)
            replay.starts[writer.contract] = bucket.start
        writer.bucket(bucket)
        last_ms = start_ms + bucket.seconds * 1000
        replay.ends[writer.contract] = bucket.start + timedelta(seconds=bucket.seconds)
        yield replay
    if writer is not None:
        _end_voting(writer, last_ms)
    yield replay


def _begin_voting(writer: ConstituencyWriter, start_ms: int) -> None:
    writer.register(start_ms - 12 * HOUR_MS)
    writer.open_hour(start_ms)
    writer.began = True
    writer.control(start_ms, "startVoting")
    writer.control(start_ms, "startIssueBallots")


def _end_voting(writer: ConstituencyWriter, last_ms: int) -> None:
    writer.control(last_ms, "stopIssueBallots")
    writer.control(last_ms, "finishVoting")
    writer.finish(last_ms)


@contextlib.contextmanager
def all_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder to write into; its content is moved to `out` at the end, and discarded after an error.

    Raises:
        SourceError: `out` cannot be created or written to, or holds files of another replay.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-unfinished-", dir=out.parent) as unfinished:
            yield Path(unfinished)
            _refuse_a_mixture(Path(unfinished), out)
            for file in sorted(path for path in Path(unfinished).rglob("*") if path.is_file()):
                final = out / file.relative_to(unfinished)
                final.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(file, final)
    except OSError as error:
        raise SourceError(f"{out} cannot be written: {error}") from None


def _refuse_a_mixture(new: Path, out: Path) -> None:
    """Refuses a folder with another replay: both would be counted, but `expected.json` describes one."""
    own = {path.relative_to(new) for path in new.rglob("*")}
    others = sorted(path for path in out.rglob("*") if path.is_file() and path.relative_to(out) not in own)
    if others:
        raise SourceError(
            f"{out} holds {len(others)} other file(s), such as {others[0]}; give an empty folder as --out"
        )


def write_expected(replay: Replay, out: Path) -> Path:
    """Writes `expected.json` beside the tree."""
    path = out / "expected.json"
    path.write_text(json.dumps(replay.expected(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path
