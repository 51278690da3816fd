"""Spark as the engine: runs the same SQL files on a cluster, which needs only the same folders.

Exports, lake and scratch must have the same paths on the workers as in this process. Objects of an object store are
copied to the scratch folder first. Files with any anomaly are read by DuckDB in this process, so that rejected lines
are the same with both engines.
"""

import atexit
import itertools
import os
import re
import shutil
import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import wraps
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import uuid4

import duckdb
import pandas as pd
import pyarrow as pa

from election_metrics.digest import name_for
from election_metrics.errors import ElectionMetricsError, SettingsError, TransientError
from election_metrics.lake.engine import Engine, Readable, nothing_of, sql
from election_metrics.lake.reading import BYTES_READ, limits, not_clean, quoted, stage_files
from election_metrics.locations import Location, fetch
from election_metrics.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ARROW = {"STRING": pa.string(), "BIGINT": pa.int64(), "INTEGER": pa.int32(), "BOOLEAN": pa.bool_()}
_CONFIG = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_CONTENTS = {"content_id": "BIGINT", "constituency_id": "STRING"}
_LOGS_KEPT = 20
_PORT_OF_CONNECT = 15002
_LONGEST = "mapreduce.input.linerecordreader.line.maxlength"
_Answer = TypeVar("_Answer")
_Given = ParamSpec("_Given")


def _failures_in_words(method: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """Raises failures of the cluster as transient errors, because they are not caused by the input."""

    @wraps(method)
    def in_words(*given: _Given.args, **named: _Given.kwargs) -> _Answer:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException

        try:
            return method(*given, **named)
        except (Py4JError, PySparkException, ConnectionError) as error:
            raise TransientError(f"Spark fails: {_first_line(error)}") from error

    return in_words


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else repr(error)


class SparkEngine(Engine):
    """Runs in a separate Spark session, together with a DuckDB in this process."""

    def __init__(self, settings: Settings, local: duckdb.DuckDBPyConnection) -> None:
        self.local = local
        self._settings = settings
        self._numbers = itertools.count()
        self._session = _session(settings)
        self._nonce = uuid4().hex
        for statement in sql("macros_spark").replace("{nonce}", self._nonce).split(";\n"):
            if statement.strip():
                self._session.sql(statement)
        self._folder = Path(mkdtemp(prefix=f"{os.getpid()}-spark-", dir=_work_home(settings)))

    @_failures_in_words
    def query(self, text: str) -> pd.DataFrame:  # noqa: D102
        return pd.DataFrame(self._run(text).toArrow().to_pandas())

    @_failures_in_words
    def put_view(self, name: str, text: str) -> None:  # noqa: D102
        self._run(text).createOrReplaceTempView(name)

    @_failures_in_words
    def put_table(self, name: str, text: str) -> None:  # noqa: D102
        folder = self._new_folder()
        self._write(self._run(text), folder)
        self._session.read.parquet(_url(folder)).createOrReplaceTempView(name)

    @_failures_in_words
    def put_frame(self, name: str, frame: pd.DataFrame, types: Mapping[str, str]) -> None:  # noqa: D102
        schema = pa.schema([(column, _ARROW[kind]) for column, kind in types.items()])
        if len(frame):
            rows = pa.Table.from_pandas(frame[list(types)], schema=schema, preserve_index=False)
            self._session.createDataFrame(rows).createOrReplaceTempView(name)
        else:
            self.put_view(name, nothing_of(", ".join(f"{column} {kind}" for column, kind in types.items())))

    @_failures_in_words
    def put_parquet(self, name: str, paths: Sequence[Location], columns: str) -> None:  # noqa: D102
        if not paths:
            self.put_view(name, nothing_of(columns))
            return
        reader = self._session.read.schema(columns).option("recursiveFileLookup", "true")
        reader.parquet(*(_url(self._near(path)) for path in paths)).createOrReplaceTempView(name)

    @_failures_in_words
    def stage(self, settings: Settings, files: Sequence[Readable], work: Path, now: datetime) -> dict[int, str]:  # noqa: D102
        filled = [file for file in files if file.size > 0]
        for done in self._folder.iterdir():  # of the batch before
            if done.is_dir():
                shutil.rmtree(done)
        folder = self._new_folder()
        damaged = self._stage_plain(settings, filled, folder, now) if filled else []
        given_up = stage_files(self.local, settings, damaged, work, now)
        self.take_local("staged")
        if filled:
            read_here = ", ".join(str(file.content_id) for file in damaged) or "-1"
            here = self._session.table("staged")
            there = self._session.read.parquet(_url(folder)).where(f"content_id NOT IN ({read_here})")
            there.unionByName(here).createOrReplaceTempView("staged")
        return given_up

    def _stage_plain(
        self, settings: Settings, files: Sequence[Readable], folder: Path, now: datetime
    ) -> list[Readable]:
        """Reads the files on the cluster; returns those that this process must read again."""
        links = self._new_folder()
        links.mkdir()
        for file in files:
            (links / f"{file.content_id}.csv").symlink_to(file.path.absolute())
        self.put_frame(
            "contents",
            pd.DataFrame([(file.content_id, file.constituency_id) for file in files], columns=list(_CONTENTS)),
            _CONTENTS,
        )
        # Spark skips longer lines, so their files have unaccounted bytes and are read again in this process.
        reader = self._session.read.option("lineSep", "\n").option(_LONGEST, str(settings.max_line_bytes))
        text = reader.text(_url(links))
        text.selectExpr("value", "_metadata.file_name AS file_name").createOrReplaceTempView("text")
        lines = sql("lines_spark").replace("{most_bytes}", str(settings.max_line_bytes - 32))
        self.put_view("lines", lines.replace("{constants}", limits(settings, now)).replace("{nonce}", self._nonce))
        self._write(self._run(sql("stage")), folder)
        self._session.read.parquet(_url(folder)).createOrReplaceTempView("staged")
        return not_clean(self.query(BYTES_READ).itertuples(index=False), files)

    @_failures_in_words
    def take_local(self, name: str) -> None:  # noqa: D102
        for done in self._folder.glob(f"local-{name}-*.parquet"):  # of the batch before
            done.unlink()
        file = self._folder / f"local-{name}-{next(self._numbers)}.parquet"
        self.local.execute(f"COPY (SELECT * FROM {name}) TO {quoted(str(file))} (FORMAT parquet)")  # noqa: S608 ours
        self._session.read.parquet(_url(file)).createOrReplaceTempView(name)

    @_failures_in_words
    def write_by_hour(self, text: str, folder: Path) -> dict[Path, int]:  # noqa: D102
        # The rows keep their hour: Spark removes the partition column from the files.
        rows = self._run(f"SELECT /*+ REBALANCE(hour) */ * FROM (SELECT *, hour_number AS hour FROM ({text}))")  # noqa: S608
        shutil.rmtree(folder, ignore_errors=True)
        self._write(rows, folder, by="hour")
        return {file: int(file.parent.name.partition("=")[2]) for file in folder.glob("hour=*/*.parquet")}

    @_failures_in_words
    def write_sorted(self, text: str, order: Sequence[str], file: Path) -> None:  # noqa: D102
        folder = self._new_folder()
        self._write(self._run(text).repartition(1).sortWithinPartitions(*order), folder, compression="zstd")
        (written,) = folder.glob("*.parquet")
        written.replace(file)

    def about(self) -> dict[str, str]:  # noqa: D102
        metadata = {"spark_application": str(self._session.conf.get("spark.app.id", ""))}
        address = self._settings.spark_ui
        if address:
            metadata["spark_ui"] = address.replace("{id}", metadata["spark_application"])
        if not _is_connect(self._settings):
            if not address and (own := self._session.sparkContext.uiWebUrl):
                metadata["spark_ui"] = own
            metadata["spark_log"] = _logs.get(metadata["spark_application"], "")
        return metadata

    def close(self) -> None:  # noqa: D102
        self.local.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if _is_connect(self._settings):
            with suppress(Exception):
                self._session.stop()

    def _run(self, text: str) -> "DataFrame":
        return self._session.sql(text)

    def _write(self, rows: "DataFrame", folder: Path, by: str | None = None, compression: str = "snappy") -> None:
        writer = rows.write.option("compression", compression)
        (writer.partitionBy(by) if by else writer).parquet(_url(folder))

    def _new_folder(self) -> Path:
        return self._folder / str(next(self._numbers))

    def _near(self, place: Location) -> Path:
        """The file, or a copy that the workers can reach; parts are immutable."""
        if isinstance(place, Path):
            return place.absolute()
        copy = self._folder / f"{name_for(str(place))}.parquet"
        if not copy.exists():
            fetch(place, copy)
        return copy


def _url(path: Path) -> str:
    """The URL as Hadoop writes it: without percent-encoding."""
    return f"file://{path}"


def _work_home(settings: Settings) -> Path:
    home = settings.scratch_path / "work"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _is_connect(settings: Settings) -> bool:
    return settings.spark.startswith("sc://")


_logs: dict[str, str] = {}
"""The log of each application of this process."""
_LOGGING = """
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yy/MM/dd HH:mm:ss}} %p %c{{1}}: %m%n%ex
"""


def _session(settings: Settings) -> "SparkSession":
    """A new session. With a master, this process has one application, which its sessions share.

    Raises:
        SettingsError: pyspark or Java is not installed.
        TransientError: the cluster cannot be reached.
    """
    # Data is exchanged with Spark as Arrow only, so its supported pandas versions do not matter.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise SettingsError(
            "ELECTION_METRICS_ENGINE is 'spark'; for it, type: pip install 'election-metrics[spark]'"
        ) from None
    _need_somebody(settings.spark)
    try:
        if _is_connect(settings):
            session = SparkSession.builder.remote(settings.spark).create()
            for name, value in _CONFIG.items():
                session.conf.set(name, value)
            return session
        return _application(settings).newSession()
    except ElectionMetricsError:
        raise
    except ImportError as error:
        raise SettingsError(f"Spark Connect needs more: {error}; type: pip install 'election-metrics[spark]'") from None
    except Exception as error:
        raise TransientError(f"Spark at {settings.spark} cannot be reached: {_first_line(error)}") from error


def _application(settings: Settings) -> "SparkSession":
    from pyspark.sql import SparkSession

    if running := SparkSession.getActiveSession():
        return running
    _need_java()
    log = _new_log(settings)
    config: dict[str, bool | int | float | str | None] = {
        **_CONFIG,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log.with_suffix('.properties').as_uri()}",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": (log.parent / "warehouse").as_uri(),
    }
    session = SparkSession.builder.master(settings.spark).appName("election-metrics").config(map=config).getOrCreate()
    _logs[session.sparkContext.applicationId] = str(log)
    atexit.register(session.stop)
    return session


def _need_somebody(address: str) -> None:
    """Fails at once if no server listens; Spark would retry for minutes."""
    named = re.match(r"(?:spark|sc)://([^/;]+)", address)
    for one in named[1].split(",") if named else ():  # standby masters
        host, _, port = one.partition(":")
        with suppress(OSError), socket.create_connection((host, int(port or _PORT_OF_CONNECT)), timeout=10):
            return
    if named:
        raise TransientError(f"Spark at {address} cannot be reached: no server listens there")


def _new_log(settings: Settings) -> Path:
    folder = settings.home / "spark"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[:-_LOGS_KEPT]:
        old.unlink(missing_ok=True)
        old.with_suffix(".properties").unlink(missing_ok=True)
    log = folder / f"{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime())}-{os.getpid()}.log"
    log.with_suffix(".properties").write_text(_LOGGING.format(log=log), "utf-8")
    return log


def _need_java() -> None:
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        raise SettingsError(
            "ELECTION_METRICS_ENGINE is 'spark', which needs Java 17 or newer here; type: "
            "apt-get install openjdk-17-jre-headless (or name a Spark Connect server in ELECTION_METRICS_SPARK)"
        )
