"""The embedded server is its owner's alone: other users of the machine find no door, and can have their own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from election_metrics.errors import SettingsError, WarehouseError
from election_metrics.runtime.claim import claimed
from election_metrics.warehouse import embedded, embedded_process, embedded_programs, embedded_users

_LONG = "a-folder-with-a-name-" * 7
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def users() -> Iterator[tuple[str, str]]:
    """Two users of the machine."""
    names = (f"em-a-{os.getpid()}", f"em-b-{os.getpid()}")
    for name in names:
        subprocess.run(["useradd", "--system", "--no-create-home", name], check=True)
    yield names
    for name in names:
        subprocess.run(["pkill", "-KILL", "-u", name], check=False)
        subprocess.run(["userdel", name], check=True)


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every user may enter and write to, as /srv or /tmp is."""
    folder = Path("/tmp") / f"em-shared-{os.getpid()}"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


class User:
    """A process of another user, or of ours, that uses the server of a home until it is told to end."""

    def __init__(self, home: Path, name: str | None = None, **environment: str) -> None:
        self.home, self.name, self.environment = home, name, environment

    def __enter__(self) -> Path:
        """Starts; returns the folder of the socket."""
        said, saying = os.pipe()
        self.process = os.fork()  # the interpreter itself may lie where no other user gets
        if not self.process:
            try:
                become(self.name)
                os.environ.pop("XDG_RUNTIME_DIR", None)
                os.environ.update(self.environment)
                tempfile.tempdir = None
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                folder = embedded.socket_folder(self.home)
                connect(folder, "postgres")
                os.write(saying, f"+{folder}".encode())
                signal.pause()
            except KeyboardInterrupt:
                embedded_users.leave(self.home, os.getpid())
            except BaseException as error:
                os.write(saying, f"-{error!r}".encode())
            finally:
                os._exit(0)
        os.close(saying)
        answer = os.read(said, 10_000).decode()
        os.close(said)
        if not answer.startswith("+"):
            pytest.fail(answer)
        return Path(answer[1:])

    def __exit__(self, *_: object) -> None:
        os.kill(self.process, signal.SIGTERM)
        os.waitpid(self.process, 0)


def become(name: str | None) -> None:
    """Makes this process another user's, for good."""
    if name is not None:
        account = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def connect(folder: Path, role: str) -> None:
    """Connects, and asks something."""
    with psycopg.connect(host=str(folder), user=role, dbname="postgres", connect_timeout=10) as connection:
        connection.execute("SELECT 1")


def refused(name: str, folder: Path, role: str) -> str:
    """What another user is told who connects."""
    said, saying = os.pipe()
    process = os.fork()
    if not process:
        try:
            become(name)
            connect(folder, role)
            os.write(saying, b"welcome")
        except BaseException as error:
            os.write(saying, str(error).encode())
        finally:
            os._exit(0)
    os.close(saying)
    os.waitpid(process, 0)
    answer = os.read(said, 10_000).decode()
    os.close(said)
    return answer


def modes(folder: Path) -> dict[Path, int]:
    """The permissions of a folder and of all above it."""
    return {path: path.stat().st_mode & 0o7777 for path in (folder, *folder.parents)}


@pytest.mark.parametrize("name", ["home", _LONG])
def test_no_folder_above_is_made_wider_and_all_that_is_ours_is_private(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir(mode=0o700)
    before = modes(tmp_path / "deep")
    home = tmp_path / "deep" / name
    with User(home) as folder:
        assert (folder == home / "postgres") == (
            name == "home" and len(str(home / "postgres" / ".s.PGSQL.5432")) <= 100
        )
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
        for path in (home, *home.rglob("*")):
            assert path.is_symlink() or path.stat().st_mode & 0o077 == 0, path
        assert "trust" not in (home / "postgres" / "pg_hba.conf").read_text()
    assert modes(tmp_path / "deep") == before
    assert not (home / "postgres" / "postmaster.pid").exists(), "it ended with its last user"
    assert folder == home / "postgres" or not folder.exists()


@is_root
@pytest.mark.parametrize("name", ["home", _LONG])
def test_another_user_of_the_machine_finds_no_door_and_has_a_server_of_his_own(
    users: tuple[str, str], shared: Path, name: str
) -> None:
    owner, other = users
    with User(shared / f"{owner}-{name}", owner) as folder, User(shared / f"{other}-{name}", other) as own:
        assert folder != own
        assert "Permission denied" in refused(other, folder, "postgres")
        # Were the folder open, the kernel would still say who is there.
        (folder / ".s.PGSQL.5432").chmod(0o777)
        opened = shared / "opened"
        opened.mkdir(mode=0o755)
        os.link(folder / ".s.PGSQL.5432", opened / ".s.PGSQL.5432")
        for role in ("postgres", "election_metrics_reader"):
            assert "Peer authentication failed" in refused(other, opened, role)


@is_root
def test_a_home_of_another_user_is_not_used(users: tuple[str, str], shared: Path) -> None:
    """He could put anything into it."""
    home, precious = shared / "planted", shared / "precious"
    precious.write_text("of root")
    home.mkdir()
    home.chmod(0o777)
    (home / ".up.lock").symlink_to(precious)
    shutil.chown(home, users[0])
    with pytest.raises(SettingsError, match=f"belongs to {users[0]}"):
        embedded.socket_folder(home)
    with pytest.raises(SettingsError, match=f"belongs to {users[0]}"), claimed(home):
        pass
    shutil.chown(home, "root")
    with pytest.raises(SettingsError, match="symbolic link"), claimed(home):
        pass
    assert precious.read_text() == "of root"
    assert not (home / "postgres").exists()


@is_root
@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.long
def test_a_process_that_has_the_number_of_a_server_that_was_killed_is_not_taken_for_it(
    users: tuple[str, str], shared: Path, whose: str
) -> None:
    """After a reboot any process may have it; also another PostgreSQL, and one of somebody who waits for that."""
    home, other = shared / "home", shared / "other"
    with User(home) as folder:
        killed = int((folder / "postmaster.pid").read_text().split("\n")[0])
        os.kill(killed, signal.SIGKILL)
        while psutil.pid_exists(killed) and psutil.Process(killed).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    with User(other, users[1] if whose == "theirs" else None) as elsewhere:
        pid_file = home / "postgres" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        number = (elsewhere / "postmaster.pid").read_text().split("\n")[0]
        pid_file.write_text("\n".join([number, *lines[1:]]))
        assert not embedded.is_up(home)
        with User(home) as again:
            assert (again / "postmaster.pid").read_text().split("\n")[0] != number
        assert psutil.pid_exists(int(number)), "it is not ours to end"


@is_root
def test_nobody_elses_server_at_our_socket_is_believed(users: tuple[str, str], shared: Path) -> None:
    with User(shared / "ours") as folder, User(shared / "theirs", users[1]) as elsewhere:
        assert "requirepeer" in (embedded.address_if_ready(shared / "ours", "postgres") or "")
        (folder / ".s.PGSQL.5432").rename(folder / "moved")
        (folder / ".s.PGSQL.5432").symlink_to(elsewhere / ".s.PGSQL.5432")
        with pytest.raises(psycopg.OperationalError, match="requirepeer"):
            psycopg.connect(embedded.address_if_ready(shared / "ours", "postgres"))
        (folder / ".s.PGSQL.5432").unlink()
        (folder / "moved").rename(folder / ".s.PGSQL.5432")


@is_root
@pytest.mark.long
def test_a_folder_that_somebody_put_in_the_way_is_not_used(users: tuple[str, str], shared: Path) -> None:
    owner, other = users
    home = shared / _LONG
    with User(home, owner, TMPDIR=str(shared)) as folder:
        pass
    assert folder.parent == shared
    for way in ("folder", "link"):
        if way == "folder":
            folder.mkdir(mode=0o777)
            shutil.chown(folder, other)
        else:
            (shared / "elsewhere").mkdir(mode=0o777)
            folder.symlink_to(shared / "elsewhere")
        with User(home, owner, TMPDIR=str(shared)) as another:
            assert another.stat().st_mode & 0o077 == 0
        assert another != folder
        assert not list(folder.iterdir())
        folder.rmdir() if way == "folder" else folder.unlink()


@is_root
def test_programs_that_its_account_may_not_reach_are_copied_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with an environment below /root."""
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    wheel = embedded_programs.binaries().parent
    bin_folder = hidden / wheel.parent.name / wheel.name / "bin"
    shutil.copytree(wheel, bin_folder.parent, symlinks=True)
    libraries = wheel.parent.with_name(f"{wheel.parent.name}.libs")
    shutil.copytree(libraries, hidden / libraries.name, symlinks=True)
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    try:
        folder = embedded.socket_folder(tmp_path / "home")
        with psycopg.connect(host=str(folder), user="postgres", dbname="postgres") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert hidden.stat().st_mode & 0o777 == 0o700
    finally:
        embedded.forget(tmp_path / "home")
        embedded_process.stop(tmp_path / "home")
        for copy in Path("/var/cache/election-metrics").glob("postgresql-*"):
            shutil.rmtree(copy)


def test_data_of_a_version_that_is_not_here_and_no_programs_at_all_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "postgres").mkdir(parents=True)
    (tmp_path / "home" / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(WarehouseError, match="the data need PostgreSQL 9, which is not here; type: pip install"):
        embedded.socket_folder(tmp_path / "home")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    if not Path("/usr/lib/postgresql").exists():
        with pytest.raises(WarehouseError, match="no PostgreSQL is installed here"):
            embedded_programs.binaries()


@pytest.mark.skipif(not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")), reason="the system has no PostgreSQL")
def test_the_systems_postgresql_is_used_where_the_wheel_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    home = tmp_path / "home"
    try:
        folder = embedded.socket_folder(home)
        with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute("CREATE ROLE election_metrics_reader LOGIN")
            psycopg.connect(host=str(folder), user="election_metrics_reader", dbname="postgres").close()
    finally:
        embedded.forget(home)
        embedded_process.stop(home)
