"""The export folder of a schedule, and faults of its files.

All random decisions use the generator that the caller passes, never the clock or the state of the system, so that a
schedule is reproducible.
"""

import contextlib
import gzip
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.sources.file_versions import version_at
from election_metrics_tests.blocks import block, call, joined
from faults.conflicts import conflicting_lines

START = datetime(2026, 9, 18, 5, tzinfo=UTC)
_NAMES = "zyxwvutsrqponmlkjihgfedcba"
_GARBAGE = (
    b"rubbish\n", b"\n", b"\xff\xfe;104;s;3;1;k;0;;[];[];{};\n", b'"";"";;;;;;;;;;\n', b"\x00\x00;\x1b[31m\n",
    b"i;104;s;3;17897e5;k;0;;[];[];{};\n", b"i;104;s;3;1789700000000;k;0;;[[[[;[];{};\n", b"a;b;c;d;e;f;g;h;i;j;k\n",
)  # fmt: skip


class Exports:
    """All exports of the portal (`tree`), the delivered ones (`root`), and every file version that ever existed."""

    def __init__(self, tree: Path, root: Path, chance: random.Random) -> None:
        """Writes the tree; delivers nothing."""
        self.tree, self.root = tree, root
        root.mkdir(parents=True)
        for _ in write_replay(_buckets(chance), tree, seed=chance.randrange(2**31), faults=True):
            pass
        self.waiting = sorted(path.relative_to(tree) for path in tree.rglob("*.csv"))
        self._add_conflicts(chance)
        chance.shuffle(self.waiting)
        self.half: dict[Path, bytes] = {}
        self.chain: list[tuple[str, str]] = []
        self.dumps: dict[Path, tuple[int, int]] = {}
        self.locked: list[Path] = []
        self.versions: dict[tuple[str, int], list[tuple[int, bytes]]] = {}

    def _add_conflicts(self, chance: random.Random) -> None:
        """Adds rows with ids of other files and contracts, both identical and different ones."""
        files = [self.tree / file for file in self.waiting]
        lines = [
            line for file in files for line in file.read_bytes().splitlines(keepends=True) if line.count(b";") == 11
        ]
        pool = chance.sample(lines, min(len(lines), 8))
        for line in conflicting_lines(chance, pool, chance.randint(0, 25)) if pool else ():
            with chance.choice(files).open("ab") as file:
                file.write(line)

    def present(self) -> list[Path]:
        """Every existing export, sorted."""
        return sorted(path for path in self.root.rglob("*") if path.suffix in _ENDINGS and path.is_file())

    def delivered(self) -> list[Path]:
        """Every existing export, and every dump of blocks."""
        return [*self.present(), *sorted(self.dumps)]

    def deliver(self, chance: random.Random) -> str:
        """Delivers the next few files without a fault."""
        count = chance.randint(1, 5)
        files, self.waiting = self.waiting[:count], self.waiting[count:]
        for file in files:
            self._put(self.root / file, (self.tree / file).read_bytes())
        return f"{len(files)} file(s) arrive"

    def deliver_packed(self, chance: random.Random) -> str:
        """Delivers the next few files of a contract in an archive of some kind, which is sometimes cut off."""
        files, self.waiting = self.waiting[:3], self.waiting[3:]
        if not files:
            return "no file to pack"
        ending, whole = _pack(chance, {file.name: (self.tree / file).read_bytes() for file in files})
        path = self.root / files[0].with_name(f"{files[0].stem}{ending}")
        if chance.random() < 0.4:
            self.half[path] = whole
            whole = whole[: chance.randrange(len(whole))]
        self._put(path, whole)
        return f"a {ending} of {len(files)} file(s), {len(whole)} bytes"

    def deliver_on_chain(self, chance: random.Random) -> str:
        """Delivers the calls of the next few files as blocks: in a new dump, or in the last one, which grows."""
        files, self.waiting = self.waiting[:3], self.waiting[3:]
        if not files:
            return "no file to put on the chain"
        first = len(self.chain)
        for file in files:
            contract = file.name.partition("_")[0]
            lines = (self.tree / file).read_bytes().splitlines()
            self.chain += [(contract, text) for text in map(_as_call, lines) if text is not None]
        path, (begin, end) = max(self.dumps.items(), key=lambda dump: dump[1], default=(None, (0, first)))
        if path is None or end != first or chance.random() < 0.6:
            path, begin = self.root / "chain" / "shard-1" / f"from {first + 1}.jsonl", first
        self.dumps[path] = begin, len(self.chain)
        blocks = [
            block(number + 1, START + timedelta(seconds=number), [call(text, contract)])
            for number, (contract, text) in enumerate(self.chain[begin:], begin)
        ]
        self._put(path, joined(blocks))
        return f"{len(files)} file(s) arrive as blocks {first + 1} to {len(self.chain)} in {path.name}"

    def deliver_half(self, chance: random.Random) -> str:
        """Delivers half of a file under its final name."""
        if not self.waiting:
            return "no file to cut off"
        file = self.waiting.pop()
        whole = (self.tree / file).read_bytes()
        self.half[self.root / file] = whole
        cut = chance.randrange(len(whole) + 1)
        self._put(self.root / file, whole[:cut])
        return f"{file.name} arrives cut off at byte {cut} of {len(whole)}"

    def complete(self, chance: random.Random) -> str:
        """Completes files that were cut off."""
        if not self.half:
            return "nothing to complete"
        path = chance.choice(sorted(self.half))
        self._put(path, self.half.pop(path))
        return f"{path.name} is completed"

    def repeat(self, chance: random.Random) -> str:
        """Delivers an existing file again under another name."""
        return self._other(chance, "is delivered twice", lambda path, other: self._put(other, self._read(path)))

    def rename(self, chance: random.Random) -> str:
        """Renames a file."""
        return self._other(chance, "is renamed", self._rename)

    def _rename(self, path: Path, other: Path) -> None:
        content = self._read(path)
        path.unlink()
        self.half.pop(path, None)
        self._put(other, content)

    def move(self, chance: random.Random) -> str:
        """Moves a file to the folder of another election, which may move its contract too."""
        path = self._choose(chance)
        if path is None:
            return "no file to move"
        region, _, *rest = path.relative_to(self.root).parts
        other = self.root.joinpath(region, f"Выборы {chance.choice('AЯ')}", *rest)
        self._rename(path, other)
        return f"{path.name} moves to {other.parts[-len(rest) - 1]}"

    def _other(self, chance: random.Random, what: str, act: object) -> str:
        path = self._choose(chance)
        if path is None:
            return f"no file that {what}"
        contract = path.name.partition("_")[0]
        other = path.with_name(f"{contract}_again{chance.randrange(10**6)}{''.join(path.suffixes)}")
        act(path, other)  # type: ignore[operator]
        return f"{path.name} {what}"

    def overwrite(self, chance: random.Random) -> str:
        """Overwrites a file with some of its lines and some lines of another file of the same contract."""
        path = self._choose(chance, ".csv")
        if path is None:
            return "no file to overwrite"
        contract = path.name.partition("_")[0]
        others = sorted(file for file in self.tree.rglob("*.csv") if file.name.startswith(contract))
        lines = self._read(path).splitlines(keepends=True)
        lines = [line for line in lines if chance.random() < 0.7]
        more = chance.choice(others).read_bytes().splitlines(keepends=True)
        lines += [line for line in more if chance.random() < 0.3]
        self._put(path, b"".join(lines))
        self.half.pop(path, None)
        return f"{path.name} is overwritten with {len(lines)} other lines"

    def damage(self, chance: random.Random) -> str:
        """Flips bits of a file, or inserts garbage between its lines."""
        path = self._choose(chance)
        if path is None:
            return "no file to damage"
        content = bytearray(self._read(path))
        if chance.random() < 0.5 or path.suffix != ".csv":
            flips = [chance.randrange(len(content)) for _ in range(chance.randint(1, 5))] if content else []
            for at in flips:
                content[at] ^= 1 << chance.randrange(8)
            outcome = f"{len(flips)} bit(s) of {path.name} flip"
        else:
            lines = bytes(content).splitlines(keepends=True)
            for _ in range(chance.randint(1, 4)):
                lines.insert(chance.randint(0, len(lines)), chance.choice(_GARBAGE))
            content, outcome = bytearray(b"".join(lines)), f"garbage in {path.name}"
        self._put(path, bytes(content))
        self.half.pop(path, None)
        return outcome

    def delete(self, chance: random.Random) -> str:
        """Deletes a file."""
        path = self._choose(chance)
        if path is None:
            return "no file to delete"
        path.unlink()
        self.half.pop(path, None)
        return f"{path.name} is deleted"

    def withdraw(self, chance: random.Random) -> str:
        """Withdraws transactions; some of them arrive later, or never."""
        files = sorted(self.tree.rglob("*.csv"))
        path = chance.choice(files)
        ids = [line.partition(b";")[0] for line in path.read_bytes().splitlines()]
        chosen = [one for one in ids if one and chance.random() < 0.2] + [b"never%d" % chance.randrange(100)]
        contract = chance.choice(files).name.partition("_")[0]
        home = next(file for file in files if file.name.startswith(contract)).relative_to(self.tree).parent
        name = f"{contract}_rollbacks{chance.randrange(10**6)}.csv"
        self._put(self.root / home / name, b"".join(one + b";104;;3;;;0;;{broken;;;-1\n" for one in chosen))
        return f"{len(chosen)} transaction(s) are withdrawn by {name}"

    def forbid(self, chance: random.Random) -> str:
        """Removes read permission from a file."""
        path = self._choose(chance)
        if path is None:
            return "no file to forbid"
        path.chmod(0)
        self.locked.append(path)
        return f"{path.name} loses read permission"

    def settle(self, landed: set[tuple[str, int, int]]) -> None:
        """Ends the faults for the clean computation: restores permissions, and deleted files that have landed.

        The documentation promises that landed rows stay when their file is deleted.

        Args:
            landed: (path, size, modified_ns) of the file versions in the ledger.
        """
        self.unlock()
        for version in sorted(landed):
            path = Path(version[0])
            # A change of permissions makes another version of the same content.
            written = [content for at, content in self.versions.get(version[:2], []) if at <= version[2]]
            if path.exists() or not written:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written[-1])

    def unlock(self) -> None:
        """Restores read permission of all files."""
        for path in self.locked:
            if path.exists():
                path.chmod(0o644)
        self.locked = []

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of every existing export, including members of archives."""
        for path in self.present():
            yield from _unpack(str(path), path.read_bytes())
        for path, (begin, end) in self.dumps.items():
            by_contract: dict[str, list[str]] = {}
            for contract, text in self.chain[begin:end]:
                by_contract.setdefault(contract, []).append(text)
            for contract, lines in by_contract.items():
                yield f"{path}/{contract}.csv", "".join(f"{text}\n" for text in lines).encode()

    def lines(self) -> Iterator[tuple[str, int]]:
        """Name and number of lines of every existing export, counted in Python."""
        for name, content in self.contents():
            yield name, _count_lines(content)

    def _choose(self, chance: random.Random, suffix: str = "") -> Path | None:
        files = [path for path in self.present() if path.name.endswith(suffix)]
        number = chance.random()  # also drawn without files, so that later draws stay the same
        return files[int(number * len(files))] if files else None

    def _read(self, path: Path) -> bytes:
        path.chmod(0o644)
        return path.read_bytes()

    def _put(self, path: Path, content: bytes) -> None:
        """Writes and renames; a second write within the clock's resolution still gets a later modification time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        unfinished = path.with_name(f".{path.name[-100:]}.part")
        unfinished.write_bytes(content)
        if unfinished.stat().st_mtime_ns <= before:
            os.utime(unfinished, ns=(before + 1, before + 1))
        unfinished.replace(path)
        version = version_at(path)
        self.versions.setdefault((version.path, version.size), []).append((version.modified_ns, content))


_ENDINGS = (".csv", ".zip", ".gz")


def _as_call(line: bytes) -> str | None:
    """A line that a node would have accepted as a call; None if it would not."""
    try:
        text = line.decode()
        made = call(text, "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return text if made["tx"]["type"] == 104 and text.count(";") == _SEPARATORS and made["tx"]["id"] else None


_SEPARATORS = 11


def _pack(chance: random.Random, files: dict[str, bytes]) -> tuple[str, bytes]:
    """Ending and content of an archive: a zip, a zip of a zip, a tar, or a compressed tar."""
    kind = chance.choice((".zip", ".zip", "zip of a zip", ".tar.gz"))
    if kind == ".tar.gz":
        whole = io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return kind, whole.getvalue()
    packed = _zip(files)
    return ".zip", _zip({"within.zip": packed}) if kind == "zip of a zip" else packed


def _zip(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def _unpack(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of an export, or of each one in an archive; of what is damaged nothing."""
    if name.endswith(".csv"):
        yield name, content
    elif name.endswith(".gz"):
        plain = io.BytesIO()
        with contextlib.suppress(Exception):
            plain.write(gzip.decompress(content))
        with contextlib.suppress(Exception), tarfile.open(fileobj=io.BytesIO(plain.getvalue())) as members:
            files = [(info.name, members.extractfile(info)) for info in members]
            yield from [(f"{name}/{inside}", file.read()) for inside, file in files if file is not None]
    else:
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                with contextlib.suppress(Exception):  # a damaged member does not affect the others
                    yield from _unpack(f"{name}/{info.filename}", archive.read(info))


def _count_lines(content: bytes) -> int:
    return content.count(b"\n") + (content != b"" and not content.endswith(b"\n"))


def _buckets(chance: random.Random) -> Iterator[Bucket]:
    hours = chance.randint(2, 5)
    for number in range(chance.randint(1, 4)):
        zone, region = chance.choice(
            [("Europe/Moscow", "77 - город Москва"), ("Asia/Kamchatka", "41 - Камчатский край")]
        )
        voting = Voting(_NAMES[number], f"Округ {number}", "Выборы; 2026", chance.randint(20, 200), region, zone)
        for hour in range(hours):
            bulletins = chance.randint(0, 12)
            yield Bucket(voting, START + timedelta(hours=hour), 3600, bulletins, chance.randint(0, bulletins))
