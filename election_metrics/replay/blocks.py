"""Writes the transactions of an export tree as dumps of the chain's blocks, as observers publish them."""

import gzip
import io
import json
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from election_metrics.errors import SourceError

FORMS = ("folder", "gzip-folder", "file", "zip", "gzip", "tar")
"""A folder of chunks for each shard, plain or gzipped; one file with the shards one after the other; that file in a zip
or gzip; a tar of the folder."""
_ENTRIES = {"stringValue": "string", "intValue": "integer", "boolValue": "boolean", "binaryValue": "binary"}
_CHUNK = 60


class _Call(NamedTuple):
    """A line of an export: its time in epoch milliseconds, and where it is."""

    ms: int
    file: int
    offset: int


def write_blocks(tree: Path, out: Path, form: str = "folder", *, shards: int = 7, seconds: int = 60) -> Iterator[int]:
    """Writes dumps with the transactions of every .csv below `tree`; yields the number of calls after each block.

    Withdrawn transactions are not on the chain, and lines that are no transactions neither. A contract lies on one
    shard. Heights begin at 1 on each.

    Args:
        tree: portal exports.
        out: an existing folder.
        form: one of FORMS.
        shards: number of chains.
        seconds: time between blocks.
    """
    folder = out / "chain"
    written = 0
    files = sorted(tree.rglob("*.csv"))
    if not files:
        raise SourceError(f"{tree} holds no .csv")
    calls = _calls(files, shards)
    first = min(ms for of_shard in calls for ms, _, _ in of_shard) // 1000 // seconds
    last = max(ms for of_shard in calls for ms, _, _ in of_shard) // 1000 // seconds
    for shard, of_shard in enumerate(calls, start=1):
        of_shard.sort()
        (folder / f"shard-{shard}").mkdir(parents=True)
        place = 0
        for begin in range(0, last - first + 1, _CHUNK):
            end = min(begin + _CHUNK, last - first + 1)
            name = f"shard-{shard}/{begin + 1}-{end}.jsonl"
            with (folder / name).open("w", encoding="utf-8") as chunk:
                for number in range(begin, end):
                    until = (first + number + 1) * seconds * 1000
                    stop = place
                    while stop < len(of_shard) and of_shard[stop].ms < until:
                        stop += 1
                    executed = [_executed(files[call.file], call.offset) for call in of_shard[place:stop]]
                    place = stop
                    block = {"height": number + 1, "timestamp": until, "transactions": executed}
                    chunk.write(json.dumps(block, ensure_ascii=False, separators=(",", ":")) + "\n")
                    written += len(executed)
                    yield written
    _pack(folder, out, form)


def _calls(files: list[Path], shards: int) -> list[list[_Call]]:
    """The calls of each shard."""
    calls: list[list[_Call]] = [[] for _ in range(shards)]
    seen: set[bytes] = set()
    withdrawn: set[bytes] = set()
    for every_rollback in (True, False):
        for number, file in enumerate(files):
            shard = zlib.crc32(file.name.partition("_")[0].encode()) % shards
            with file.open("rb") as lines:
                offset = 0
                for line in lines:
                    fields = line.rstrip(b"\r\n").split(b";")
                    if every_rollback:
                        if len(fields) == 12 and fields[-1] == b"-1":
                            withdrawn.add(fields[0])
                    elif _is_call(fields) and fields[0] not in seen and fields[0] not in withdrawn:
                        seen.add(fields[0])
                        calls[shard].append(_Call(int(fields[4]), number, offset))
                    offset += len(line)
    return calls


def _is_call(fields: list[bytes]) -> bool:
    if len(fields) != 12 or fields[-1] or not fields[4].isdigit():
        return False
    try:
        return isinstance(json.loads(fields[8]), list) and isinstance(json.loads(fields[9]), list)
    except ValueError:
        return False


def _executed(file: Path, offset: int) -> dict[str, Any]:
    """A line as an executed call of its contract."""
    with file.open("rb") as lines:
        lines.seek(offset)
        fields = lines.readline().decode().rstrip("\r\n").split(";")
    name, kind, signature, version, ms, sender, fee, asset, params, diff = fields[:10]
    tx: dict[str, Any] = {
        "senderPublicKey": sender, "fee": int(fee or 0), "feeAssetId": asset or None, "proofs": [signature], "id": name,
        "type": int(kind), "version": int(version), "timestamp": int(ms), "params": _entries(params),
    }  # fmt: skip
    if kind == "104":
        tx |= {"contractId": file.name.partition("_")[0], "contractVersion": 1}
    return {"type": 105, "id": f"executed-{name}", "timestamp": int(ms), "tx": tx, "results": _entries(diff)}


def _entries(text: str) -> list[dict[str, Any]]:
    found = []
    for entry in json.loads(text):
        field = next((name for name in _ENTRIES if name in entry), "stringValue")
        value = entry.get(field)
        if field == "binaryValue" and not str(value).startswith("base64:"):
            value = f"base64:{value}"
        found.append({"key": entry.get("key"), "type": _ENTRIES[field], "value": value})
    return found


def _pack(folder: Path, out: Path, form: str) -> None:
    """Replaces the folder of chunks by another form."""
    chunks = sorted(folder.rglob("*.jsonl"), key=lambda path: (path.parent.name, int(path.name.partition("-")[0])))
    if form == "folder":
        return
    if form == "gzip-folder":
        for chunk in chunks:
            with chunk.open("rb") as plain, gzip.open(f"{chunk}.gz", "wb", compresslevel=1) as packed:
                shutil.copyfileobj(plain, packed)
            chunk.unlink()
        return
    if form == "tar":
        with tarfile.open(out / "chain.tar", "w") as packed_folder:
            packed_folder.add(folder, "chain")
    elif form == "zip":
        with (
            zipfile.ZipFile(out / "dump.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("dump.json", "w", force_zip64=True) as dump,
        ):
            _concatenate(chunks, dump)
    elif form == "gzip":
        with gzip.open(out / "dump.json.gz", "wb", compresslevel=1) as packed:
            _concatenate(chunks, packed)
    else:
        with (out / "dump.json").open("wb") as plain:
            _concatenate(chunks, plain)
    shutil.rmtree(folder)


def _concatenate(chunks: list[Path], dump: Any) -> None:
    for chunk in chunks:
        with chunk.open("rb") as plain:
            shutil.copyfileobj(plain, dump, io.DEFAULT_BUFFER_SIZE)
