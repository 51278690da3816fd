"""Starts the embedded server, after creating its data if there are none."""

import contextlib
import hashlib
import os
import pwd
import shlex
import tempfile
from pathlib import Path

from election_metrics.warehouse.embedded_process import SUPERUSER
from election_metrics.warehouse.embedded_programs import (
    ACCOUNT,
    Runner,
    binaries,
    major_version,
    reachable,
    run_program,
    runner_for,
)
from election_metrics.warehouse.private_files import open_private

_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET = 100  # the path of a socket is limited to 107 bytes
_START_SECONDS = "300"  # after a kill, the server first replays its WAL


def start(home: Path) -> Path:
    """Starts the server, after creating its data if there are none; returns the folder of its socket."""
    data = home / "postgres"
    data.mkdir(mode=0o700, exist_ok=True)
    version_file = data / "PG_VERSION"
    programs = binaries(int(version_file.read_text()) if version_file.exists() else None)
    with runner_for(data) as runner:
        programs = reachable(programs, runner)
        if not version_file.exists():
            _make_data(programs, runner)
        (data / "postmaster.pid").unlink(missing_ok=True)
        _write(
            runner,
            "pg_hba.conf",
            "# Authenticated by the kernel; the owner of HOME may use any role.\nlocal all all peer map=owner\n",
        )
        _write(runner, "pg_ident.conf", _who_may(int(version_file.read_text())))
        folder = _make_socket_folder(data, runner)
        options = shlex.join(
            ["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c",
             f"unix_socket_directories={_quoted(runner.named if folder == data else str(folder))}",
             "-c", "max_connections=120", "-c", "superuser_reserved_connections=20"]
        )  # fmt: skip
        run_program(
            [programs / "pg_ctl", "-D", runner.named, "-l", f"{runner.named}/log", "-o", options, "-t", _START_SECONDS,
             "-w", "start"],
            **runner.options,
        )  # fmt: skip
    note = home / ".postgres.socket"
    note.unlink(missing_ok=True)
    with open_private(note, "x") as file:
        file.write(str(folder))
    return folder


def _make_data(programs: Path, runner: Runner) -> None:
    is_new = (major_version(programs / "postgres") or 0) >= 17
    provider = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    locale = provider if is_new else ["--locale=C.UTF-8"]  # the same sort order of names on every machine
    run_program(
        [programs / "initdb", "-D", runner.named, "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", *locale,
         "--no-instructions"],
        **runner.options,
    )  # fmt: skip


def _who_may(version: int) -> str:
    """Lets the owner of HOME, and the account of the server, use every role."""
    users = sorted({pwd.getpwuid(os.geteuid()).pw_name, *([ACCOUNT] if os.geteuid() == 0 else [])})
    # Before PostgreSQL 16, roles must be listed.
    roles = ["/^.*$"] if version >= 16 else [SUPERUSER, "election_metrics_api", "election_metrics_reader"]
    return "".join(f'owner "{user}" "{role}"\n' for user in users for role in roles)


def _make_socket_folder(data: Path, runner: Runner) -> Path:
    """The data folder, or a private folder with a short path if that path is too long for a socket."""
    if len(os.fsencode(data / _SOCKET)) <= _LONGEST_SOCKET:
        return data
    name = f"election-metrics-{os.geteuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() != 0 else None
    parents = [runtime, tempfile.gettempdir(), "/tmp"]  # noqa: S108 made safely below
    for parent in [Path(parent) for parent in parents if parent]:
        folder = parent / name
        if len(os.fsencode(folder / _SOCKET)) > _LONGEST_SOCKET or not parent.is_dir():
            continue
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        owner = runner.options.get("user", os.geteuid())
        stat = folder.lstat()
        if not folder.is_symlink() and folder.is_dir() and stat.st_uid in (os.geteuid(), owner):
            folder.chmod(0o700)
        else:  # it exists and is not private
            folder = Path(tempfile.mkdtemp(prefix="election-metrics-", dir=parent))
        os.chown(folder, owner, -1)
        return folder
    raise OSError("no folder for its socket has a path that is short enough; set XDG_RUNTIME_DIR to one of yours")


def _write(runner: Runner, name: str, text: str) -> None:
    """Writes a file of the server, readable by its account only."""
    with open_private(runner.data / name, "w") as file:
        file.write(text)
        if "user" in runner.options:
            os.fchown(file.fileno(), runner.options["user"], runner.options["group"])


def _quoted(folder: str) -> str:
    return '"' + folder.replace('"', '""') + '"'
