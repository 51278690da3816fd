"""A tree of files in every kind of archive that is read, for tests."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import zstandard

Files = Mapping[str, bytes]
"""Contents by path, with / between folders."""

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def zipped(files: Files) -> bytes:
    """A zip of these files."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return whole.getvalue()


def tarred(files: Files) -> bytes:
    """A tar of these files, with the folders above them."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for folder in sorted({str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}):
            info = tarfile.TarInfo(folder)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return whole.getvalue()


def _each_compressed(files: Files, ending: str) -> Files:
    return {f"{path}{ending}": COMPRESS[ending](content) for path, content in files.items()}


def _each_zipped(files: Files) -> Files:
    """A zip for each file, beside where it was."""
    return {
        f"{path.removesuffix('.csv')}.zip": zipped({PurePosixPath(path).name: content})
        for path, content in files.items()
    }


ARCHIVES: dict[str, tuple[str, Callable[[Files], bytes]]] = {
    "zip": (".zip", zipped),
    "ZIP": (".ZIP", zipped),
    "tar": (".tar", tarred),
    **{f"tar{ending}": (f".tar{ending}", lambda files, e=ending: COMPRESS[e](tarred(files))) for ending in COMPRESS},
    "tgz": (".tgz", lambda files: gzip.compress(tarred(files))),
    "a zip of zips": (".zip", lambda files: zipped(_each_zipped(files))),
    "a zip of a zip": (".zip", lambda files: zipped({"all.zip": zipped(files)})),
    "a zip of a tar": (".zip", lambda files: zipped({"all.tar.xz": lzma.compress(tarred(files))})),
    "a tar of zips": (".tgz", lambda files: gzip.compress(tarred(_each_zipped(files)))),
    **{
        f"a zip of {ending}": (".zip", lambda files, e=ending: zipped(_each_compressed(files, e)))
        for ending in COMPRESS
    },
    "a zip that is compressed": (".zip.gz", lambda files: gzip.compress(zipped(files))),
}
"""Ending of the archive's name, and how it is made, by kind."""
