"""Every setting, typed, with its environment variable and default.

A setting is read here and nowhere else. Wrong values become one `SettingsError` that names the variable.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from election_metrics.clock import read_hour
from election_metrics.errors import SettingsError
from election_metrics.locations import Location, is_url, named_here, place

PREFIX = "ELECTION_METRICS_"
_SHORTEST_TOKEN = 16
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9]*://.")


def _whole_hour(value: object) -> datetime:
    """Reads a date or a date and hour; without a zone it is UTC."""
    if isinstance(value, str):
        return read_hour(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError("it must be a date or a date and hour")
    return read_hour(value.isoformat())


def time_zones() -> set[str]:
    """Names of time zones; those that are only this machine's, PostgreSQL would not know."""
    return available_timezones() - {"localtime", "Factory", "posixrules"}


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*/(second|minute|hour)", value):
        raise ValueError("it must look like 200/second, 60/minute or 1000/hour")
    return value


def _location(value: object) -> object:
    if value is None:
        return None
    named = named_here(str(value))
    return named.rstrip("/") if is_url(named) else str(Path(named).expanduser().absolute())


LocationText = Annotated[str, BeforeValidator(_location)]
Rate = Annotated[str, AfterValidator(_rate)]
WholeHour = Annotated[datetime, BeforeValidator(_whole_hour)]


class Settings(BaseSettings):
    """All settings; each field is the variable `ELECTION_METRICS_<FIELD>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, validate_default=True)

    home: Path = Field(Path(".election-metrics"), description="Where the embedded database, the lake and Dagster live.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL for our tables; unset: an embedded PostgreSQL 18 starts under HOME."
    )
    dagster_database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL for Dagster's own storage; unset: DATABASE_URL's database name + '_dagster'.",
    )
    source: LocationText | None = Field(
        None, description="Folder in which new export files appear, or s3://bucket/folder; the sensor watches it."
    )
    source_url: SecretStr | None = Field(
        None,
        description="Database with a table of transactions, as an SQLAlchemy URL: postgresql+psycopg://me@host/votes "
        "or sqlite:////data/votes.db.",
    )
    source_table: Path | None = Field(
        None, description="TOML that says which table, and what its columns mean; unset: the one that comes along."
    )
    lake: LocationText | None = Field(
        None, description="Where raw transactions rest as Parquet: a folder, or s3://bucket/folder; unset: HOME/lake."
    )
    reference: Path | None = Field(
        None,
        description="CSV that overrides names, regions, time zones, registered voters and voting times. Columns: "
        "constituency_id, and any of name, election, region_code, region, time_zone, registered_voters, starts_at, "
        "ends_at (ISO 8601; in the row's time zone without an offset); an empty field says nothing.",
    )
    first_hour: WholeHour = Field(
        datetime(2024, 1, 1, tzinfo=UTC),
        description="First hour (UTC) in which transactions may be; earlier rows are quarantined.",
    )
    first_partition: WholeHour | None = Field(
        None,
        description="First hour (UTC) that the Dagster UI shows a partition of; unset: the first hour with "
        "transactions where `up` runs, else FIRST_HOUR. `up` moves it where something older lands.",
    )
    time_zone: str = Field("Europe/Moscow", description="Time zone of a constituency whose region is not known.")
    batch_bytes: int = Field(2**30, gt=0, description="Export files are landed in batches of about this size.")
    max_line_bytes: int = Field(2**25, ge=2**16, description="A longer line is quarantined.")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", description="Who reads, compacts and counts: DuckDB in each run, or Spark on a cluster."
    )
    spark: str = Field(
        "local[*]",
        pattern=r"^(local(\[.*\]|-cluster\[.*\])?|spark://.+|yarn|k8s://.+|sc://.+)$",
        description="Where Spark is: a master such as spark://host:7077, or Spark Connect at sc://host:15002.",
    )
    spark_ui: str | None = Field(
        None,
        description="Where people see a Spark application, {id} being its own: http://history:18080/history/{id}/ ; "
        "unset: the application's own page, which ends with it.",
    )
    memory_limit: str = Field("1GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Memory for DuckDB.")
    threads: int | None = Field(None, gt=0, description="Threads for DuckDB; unset: one per core.")
    executor: Literal["in_process", "kubernetes", "celery"] = Field(
        "in_process", description="Where a run's steps work: in its own process, or each in a pod or on a worker."
    )
    executor_config: Path | None = Field(
        None, description="YAML with Dagster's `execution: config:` of that executor; unset: its defaults."
    )
    settle_seconds: float = Field(
        10.0, ge=0, description="A file that ends within a line is left alone until it rests this long."
    )
    max_hours_per_run: int = Field(168, gt=0, description="A run asked for by a sensor covers no more hours.")
    max_hours_per_backfill: int = Field(
        2208,
        gt=0,
        description="At least MAX_HOURS_PER_RUN. A run or backfill that covers more hours is refused, by UI, API and "
        "Dagster's command line alike; `election-metrics backfill` cuts a wider range into runs that fit.",
    )
    warm_runs: bool = Field(
        True, description="Fork runs from a process that has everything imported; false: a fresh interpreter a run."
    )
    reserve_mb: int = Field(
        64,
        ge=0,
        description="Megabytes kept for PostgreSQL on a full disk: landing waits while less than that is free.",
    )
    set_aside_minutes: float = Field(
        60, ge=0, description="A file that brings the landing down is tried again after this long, while others land."
    )
    keep_events_hours: int = Field(
        2,
        gt=0,
        description="Hours that Dagster's log of runs that went well, and of idle ticks, is kept.",
    )
    keep_runs_days: int = Field(30, gt=0, description="Days that Dagster's record of all other runs and ticks is kept.")
    alert_webhook: SecretStr | None = Field(
        None, description='Alerts are posted here as {"text": …}, which Slack, Mattermost and others take.'
    )
    alert_email: str | None = Field(None, description="Alerts are mailed to this address; needs SMTP_URL.")
    smtp_url: SecretStr | None = Field(
        None, description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…:465."
    )
    alert_urls: SecretStr | None = Field(
        None,
        description="Alerts are sent to these URLs of Apprise as well, with spaces between: tgram://token/chat for "
        "Telegram, msteams://… and a hundred more (https://appriseit.com/services).",
    )
    alert_after_minutes: int = Field(
        30, gt=0, description="While an election is voting: an hour's input that comes later than this is a problem."
    )
    ui_url: str = Field(
        "http://127.0.0.1:3000", description="Where people reach the Dagster UI, for links; `up` knows its own port."
    )
    ui_hosts: str | None = Field(
        None,
        description="Further names, with commas between, by which others reach the Dagster UI, such as ui.example.org.",
    )
    ui_token: SecretStr | None = Field(
        None,
        description="Who opens the Dagster UI must show it: as the password to any name, or as Authorization: Bearer. "
        "Needed where `up --host` is not this machine's own address.",
    )
    ui_reads: Literal["open", "token"] | None = Field(
        None,
        description="Who may open the read-only Dagster UI: anybody (open), or who has UI_TOKEN; unset: anybody, on "
        "this machine only.",
    )
    ui_reports: bool = Field(
        False, description="Whether people and other programs may report assets and checks that no run made."
    )
    metrics_port: int | None = Field(
        None, description="`up` serves the pipeline's own metrics for Prometheus on this port; unset: it does not."
    )
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the page and the API that `up` serves; 0: none.")
    api_host: str = Field(
        "127.0.0.1",
        description="Address that they listen on. On any but this machine's own, every request needs a token.",
    )
    api_hosts: str | None = Field(
        None, description="Names, with commas between, by which others reach them, such as turnout.example.org."
    )
    api_reads: Literal["open", "token"] | None = Field(
        None, description="Who may read: anybody (open), or who has a token; unset: anybody, on this machine only."
    )
    api_tokens: Path | None = Field(
        None,
        description="File of the API's tokens, hashed; `election-metrics token` writes it; unset: HOME/tokens.json.",
    )
    api_read_rate: Rate = Field("200/second", description="Reads that one address or token may make.")
    api_write_rate: Rate = Field("60/minute", description="Changes, and wrong tokens, that one may make.")
    api_streams_per_address: int = Field(50, gt=0, description="Live streams that one address may have open.")
    api_streams: int = Field(500, gt=0, description="Live streams that may be open in all.")
    api_session_hours: float = Field(12, gt=0, description="Hours after which the page asks for the token again.")
    api_database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL with a login of the API's own, a member of election_metrics_api; unset: DATABASE_URL, "
        "whose connections take on that role.",
    )
    api_webserver: str | None = Field(
        None, description="Where the API reaches Dagster's webserver to ask for runs; unset: UI_URL."
    )
    database_role: str | None = Field(
        None, pattern="^[a-z_]+$", description="Role that connections to our database take on; the API's by itself."
    )
    cache_url: SecretStr | None = Field(
        None, description="Redis in which several APIs share answers: redis://host:6379/0; unset: in memory."
    )
    cache_answers: int = Field(20_000, gt=0, description="Answers that the API keeps in memory at the most.")
    cache_seconds: float = Field(
        60, gt=0, description="An answer is kept this long at the most; a commit ends it at once."
    )
    compact_after_parts: int = Field(8, gt=1, description="An hour's parts are merged when there are this many.")

    @field_validator("home", "source_table", "reference", "api_tokens", "executor_config")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("home", "lake")
    @classmethod
    def _no_pattern(cls, value: Path | str | None) -> Path | str | None:
        if value is not None and set("*?[]{}") & set(str(value)):
            raise ValueError("its path must hold none of * ? [ ] { }, which the engine takes for a pattern")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_time_zone(cls, value: str) -> str:
        if value not in time_zones():
            raise ValueError("it must be an IANA time zone such as Europe/Moscow")
        return value

    @field_validator("max_hours_per_backfill")
    @classmethod
    def _holds_a_run(cls, value: int, info: ValidationInfo) -> int:
        if value < (most := info.data.get("max_hours_per_run", 1)):
            raise ValueError(f"it must be at least ELECTION_METRICS_MAX_HOURS_PER_RUN, which is {most}: lower that too")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("smtp://", "smtps://")):
            raise ValueError("it must look like smtp://user:password@host:587 or smtps://user:password@host:465")
        return value

    @field_validator("alert_urls")
    @classmethod
    def _urls(cls, value: SecretStr | None) -> SecretStr | None:
        urls = [] if value is None else value.get_secret_value().split()
        for number, url in enumerate(urls, 1):
            if not _URL.match(url):
                raise ValueError(f"URL {number} must look like tgram://token/chat, with spaces between the URLs")
        return value if urls else None

    @field_validator("ui_token")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SHORTEST_TOKEN:
            raise ValueError(f"it must have at least {_SHORTEST_TOKEN} characters; openssl rand -hex 24 makes some")
        return value

    @field_validator("cache_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("it must look like redis://:password@host:6379/0")
        return value

    @field_validator("database_url", "dagster_database_url", "api_database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        shape = "it must look like postgresql://user:password@host:5432/database"
        if value is not None:
            # Every command reads settings, and SQLAlchemy is the longest to import of what they need.
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                url = make_url(value.get_secret_value())
            except ArgumentError:
                raise ValueError(shape) from None
            if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
                raise ValueError(shape)
        return value

    @property
    def lake_path(self) -> Location:
        """Folder of the lake, or its place in an object store."""
        return place(str(self.lake), f"{PREFIX}LAKE") if self.lake else self.home / "lake"

    @property
    def scratch_path(self) -> Path:
        """Folder of this machine for unfinished work: the lake itself, or one beside it where that is elsewhere."""
        lake = self.lake_path
        return lake if isinstance(lake, Path) else self.home / "scratch"

    @property
    def source_path(self) -> Location | None:
        """Folder of the export files, or its place in an object store."""
        return None if self.source is None else place(str(self.source), f"{PREFIX}SOURCE")

    @property
    def dagster_path(self) -> Path:
        """Folder of what Dagster keeps in files."""
        return self.home / "dagster"

    @property
    def reserve_bytes(self) -> int:
        """What is kept for PostgreSQL where the disk fills."""
        return self.reserve_mb * 1_000_000

    @property
    def first_shown(self) -> datetime:
        """The first hour of the partitions."""
        return max(self.first_hour, self.first_partition or self.first_hour)

    @property
    def most_hours(self) -> int:
        """The most hours that any run or backfill covers, whoever asks for it."""
        return self.max_hours_per_backfill

    @property
    def late_after(self) -> timedelta:
        """How long after its end an hour's input may come without being overdue."""
        return timedelta(minutes=self.alert_after_minutes)

    @property
    def tokens_path(self) -> Path:
        """File of the API's tokens."""
        return self.api_tokens or self.home / "tokens.json"

    @property
    def default_zone(self) -> ZoneInfo:
        """Time zone where nothing better is known."""
        return ZoneInfo(self.time_zone)


def _sentence(error: ValidationError) -> str:
    sentences = []
    for problem in error.errors():
        field = str(problem["loc"][0]) if problem["loc"] else "?"
        value = problem.get("input")
        shown = "" if field.endswith(("_url", "_urls", "webhook", "_token")) else f" is {str(value)!r}"
        reason = problem["msg"].removeprefix("Value error, ")
        sentences.append(f"{PREFIX}{field.upper()}{shown}: {reason}")
    return "; ".join(sentences)


def read_settings(**overrides: object) -> Settings:
    """Reads the environment; `overrides` win.

    Raises:
        SettingsError: a value is wrong; one sentence with the variable's name and what it must be.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()
