"""Locations of files: a folder on this machine, or an object store named by a URL such as s3://bucket/lake.

Object stores need the extra `s3` (others fsspec's package for their scheme); nothing of them is imported without it.
An object appears whole or not at all, so a name never refers to half a file.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

import tenacity

from election_metrics.errors import SettingsError, TransientError

if TYPE_CHECKING:
    from upath import UPath

    RemotePath: TypeAlias = UPath
    Location: TypeAlias = Path | UPath
else:
    RemotePath: TypeAlias = object
    Location: TypeAlias = object

_TRIES = 2  # s3fs has tried five times by then, with two attempts of botocore each
_LONGEST_WAIT = 8
# botocore's default is a minute for each of five tries: 50 minutes until a silent store is reported.
_PATIENCE_WITH_S3 = {"connect_timeout": 3, "read_timeout": 10, "retries": {"mode": "standard", "total_max_attempts": 2}}

# Time limit of an upload, which could otherwise wait forever for the store's 100-continue or for its disk.
_UPLOAD_SECONDS, _UPLOAD_BYTES_PER_SECOND = 30.0, 100_000


def is_url(text: str) -> bool:
    """Whether this names an object store."""
    return "://" in text


def named_here(text: str) -> str:
    """The path that a file:// URL names; any other text unchanged.

    Raises:
        ValueError: the URL names another machine.
    """
    if not text.startswith("file://"):
        return text
    url = urlsplit(text)
    if url.netloc not in ("", "localhost"):
        raise ValueError(f"{text} names a file of the machine {url.netloc!r}; of this one, it is file:///…")
    return url2pathname(url.path)


def place(text: str, setting: str) -> Location:
    """The folder or URL.

    Raises:
        SettingsError: the package for this URL is not installed, or its scheme is unknown.
    """
    try:
        text = named_here(text)
        if not is_url(text):
            return Path(text)
        from upath import UPath

        made: RemotePath = UPath(text, use_listings_cache=False, **_patience(text))
        made.fs  # noqa: B018 its package is imported here
    except ImportError as error:
        is_s3 = text.startswith(("s3://", "s3a://"))
        what = "to reach it, type: pip install 'election-metrics[s3]'" if is_s3 else str(error)
        raise SettingsError(f"{setting} is {text!r}; {what}") from None
    except ValueError as error:
        raise SettingsError(f"{setting} is {text!r}: {error}") from None
    return made


def _patience(url: str) -> dict[str, Any]:
    from fsspec.config import conf  # contains FSSPEC_S3 and the configuration files of fsspec

    ours = url.startswith(("s3://", "s3a://")) and "config_kwargs" not in conf.get("s3", {})
    return {"config_kwargs": _PATIENCE_WITH_S3} if ours else {}


def elsewhere(url: str, setting: str) -> RemotePath:
    """The location of a URL in an object store."""
    there = place(url, setting)
    assert not isinstance(there, Path)
    return there


def remembering(there: RemotePath) -> Any:
    """A file system for immutable objects, which caches their metadata: one request for each object.

    DuckDB would request the metadata of every file in a query eight times, each a round trip to the store.
    """
    from fsspec.asyn import sync_wrapper

    own = type(there.fs)(**there.fs.storage_options, skip_instance_cache=True)
    known: dict[str, Any] = {}
    ask = own._info if own.async_impl else own.info

    async def once(path: str, *_: object, **__: object) -> Any:
        key = own._strip_protocol(path)
        if key not in known:
            known[key] = await ask(path)
        return known[key]

    def once_here(path: str, *_: object, **__: object) -> Any:
        key = own._strip_protocol(path)
        if key not in known:
            known[key] = ask(path)
        return known[key]

    if own.async_impl:
        own._info, own.info = once, sync_wrapper(once, obj=own)
    else:
        own.info = once_here
    return own


def as_one(path: Path) -> Path:
    """The absolute path without links and `..` above it: one folder that is typed in two ways is one source."""
    return path.resolve() if path.is_dir() else path.parent.resolve() / path.name


def name_of(place: Location) -> str:
    """The absolute path or URL as text."""
    return str(as_one(place)) if isinstance(place, Path) else str(place)


def move_into_place(file: Path, target: Location) -> None:
    """Moves a finished file to its final name, atomically.

    Raises:
        TransientError: the object store cannot be reached or is busy, after retries.
    """
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        return
    seconds = _UPLOAD_SECONDS + file.stat().st_size / _UPLOAD_BYTES_PER_SECOND
    limit = {"timeout": seconds} if target.fs.async_impl else {}
    with_patience(lambda: target.fs.put_file(str(file), target.path, **limit), str(target))
    file.unlink()


def remove(target: Location) -> None:
    """Removes a file if it still exists."""
    if isinstance(target, Path):
        target.unlink(missing_ok=True)
        return
    with contextlib.suppress(FileNotFoundError):
        with_patience(lambda: target.fs.rm_file(target.path), str(target))


def fetch(source: Location, target: Path) -> None:
    """Copies a file to a local path.

    Raises:
        TransientError: the object store cannot be reached or is busy, after retries.
    """
    if isinstance(source, Path):
        shutil.copyfile(source, target)
        return
    with_patience(lambda: source.fs.get_file(source.path, str(target)), str(source))


def size_below(folder: Location) -> int:
    """Bytes of the files below a folder; 0 if it does not exist."""
    if isinstance(folder, Path):
        return sum(map(_size, folder.rglob("*"))) if folder.is_dir() else 0
    return int(with_patience(lambda: folder.fs.du(folder.path), str(folder)))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:  # removed meanwhile
        return 0


def with_patience(ask: Callable[[], Any], what: str) -> Any:
    """Calls an object store, with retries; "not found" is an answer and is not retried.

    Raises:
        TransientError: the store cannot be reached or is busy, after retries, or refuses the credentials.
    """
    waits = tenacity.wait_exponential_jitter(multiplier=0.5, max=_LONGEST_WAIT)
    answers = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, AttributeError, TypeError)
    try:
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=waits,
            retry=tenacity.retry_if_not_exception_type(answers),
            reraise=True,
        ):
            with attempt:
                return ask()
    except PermissionError as error:
        raise TransientError(f"{what} is refused to these credentials: {error}") from error
    except answers:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise TransientError(f"{what} is away or busy: {reason}") from error
    raise AssertionError("unreachable")
