"""Commands as a person types them, each in a process of its own: a fork of one that has imported the libraries.

Nothing of ours is imported before the fork, so that a command finds what it would find in a fresh interpreter.
"""

import atexit
import multiprocessing
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["alembic.command", "click", "dagster", "dagster_postgres", "duckdb", "pandas", "psycopg", "pyarrow.csv",
     "pyarrow.parquet", "pydantic_settings", "pytest", "rich.console", "rich.progress", "scipy.special", "slugify",
     "sqlalchemy.dialects.postgresql.psycopg", "tenacity"]
)  # fmt: skip


def typed(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Types a command, and waits for its end."""
    with tempfile.TemporaryDirectory() as folder:
        output, error = Path(folder) / "output", Path(folder) / "error"
        env = {**os.environ, "COLUMNS": "200", **environment}
        process = _FORKS.Process(target=_carry_out, args=(words, env, output, error))
        process.start()
        process.join()
        assert process.exitcode is not None
        return subprocess.CompletedProcess(words, process.exitcode, output.read_text("utf-8"), error.read_text("utf-8"))


def _carry_out(words: tuple[str, ...], environment: dict[str, str], output: Path, error: Path) -> None:
    for number, path in ((1, output), (2, error)):
        os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter("ignore")
    from election_metrics.cli import main

    try:
        main(words, prog_name="election-metrics")
    finally:
        atexit._run_exitfuncs()  # a forked process would end without
