"""Every setting, typed, with its environment variable and default.

Settings are read only here. Invalid values raise one `SettingsError` that names the variable.
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
    """Parses a date or a date and hour; without a zone it is UTC."""
    if isinstance(value, str):
        return read_hour(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError("it must be a date or a date and hour")
    return read_hour(value.isoformat())


def time_zones() -> set[str]:
    """Names of time zones that PostgreSQL knows as well, without those local to this machine."""
    return available_timezones() - {"localtime", "Factory", "posixrules"}


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*/(second|minute|hour)", value):
        raise ValueError("it must look like 200/second, 60/minute or 1000/hour")
    return value


def _origins(value: str) -> str:
    for one in re.split(r"[\s,]+", value.strip()):
        if one != "*" and not re.fullmatch(r"https?://(\*\.)?[a-zA-Z0-9.-]+(:\d{1,5})?", one):
            raise ValueError(f"{one!r} is no site; write it as https://paper.example, without a path")
    return value


def _location(value: object) -> object:
    if value is None:
        return None
    named = named_here(str(value))
    return named.rstrip("/") if is_url(named) else str(Path(named).expanduser().absolute())


LocationText = Annotated[str, BeforeValidator(_location)]
Rate = Annotated[str, AfterValidator(_rate)]
Origins = Annotated[str, AfterValidator(_origins)] | None
WholeHour = Annotated[datetime, BeforeValidator(_whole_hour)]


class Settings(BaseSettings):
    """All settings; each field is the variable `ELECTION_METRICS_<FIELD>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, validate_default=True)

    home: Path = Field(Path(".election-metrics"), description="Folder of the embedded database, the lake and Dagster.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL of the warehouse; unset: an embedded PostgreSQL 18 starts under HOME."
    )
    dagster_database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL of Dagster's storage; unset: DATABASE_URL's database name + '_dagster'.",
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
        None,
        description="TOML file that names the table, or the files, and maps their columns; unset: the mapping in the "
        "package, of a table.",
    )
    lake: LocationText | None = Field(
        None, description="Location of raw transactions (Parquet): a folder, or s3://bucket/folder; unset: HOME/lake."
    )
    reference: Path | None = Field(
        None,
        description="CSV that overrides names, regions, time zones, registered voters and voting times. Columns: "
        "constituency_id, and any of name, election, region_code, region, time_zone, registered_voters, starts_at, "
        "ends_at (ISO 8601; without an offset in the row's time zone); an empty field overrides nothing.",
    )
    first_hour: WholeHour = Field(
        datetime(2024, 1, 1, tzinfo=UTC),
        description="First hour (UTC) that may have transactions; earlier rows are quarantined.",
    )
    first_partition: WholeHour | None = Field(
        None,
        description="First hour (UTC) with a partition in the Dagster UI; unset: under `up` the first hour with "
        "transactions, else FIRST_HOUR. `up` moves it back when something older lands.",
    )
    time_zone: str = Field("Europe/Moscow", description="Time zone of a constituency whose region is not known.")
    batch_bytes: int = Field(2**30, gt=0, description="Export files are landed in batches of about this size.")
    max_line_bytes: int = Field(2**25, ge=2**16, description="Longer lines are quarantined.")
    shards: int | None = Field(
        None,
        gt=0,
        description="Number of shards of the chain, if its blocks are read: a finding names those of which nothing "
        "landed; unset: only those whose number is missing among the others.",
    )
    portal_url: str | None = Field(
        None,
        description="Base address of the portal's interface, such as https://stat.vybory.gov.ru/api: its names, times "
        "and its own counts, with which ours are compared; unset: no portal is asked.",
    )
    portal_rate: Rate = Field("10/second", description="Most requests to the portal.")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", description="Engine that reads, compacts and counts: DuckDB in each run, or Spark on a cluster."
    )
    spark: str = Field(
        "local[*]",
        pattern=r"^(local(\[.*\]|-cluster\[.*\])?|spark://.+|yarn|k8s://.+|sc://.+)$",
        description="Address of Spark: a master such as spark://host:7077, or Spark Connect at sc://host:15002.",
    )
    spark_ui: str | None = Field(
        None,
        description="URL of a Spark application's page, with {id} for its id: http://history:18080/history/{id}/ ; "
        "unset: the page that the application serves while it runs.",
    )
    memory_limit: str = Field("1GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Memory for DuckDB.")
    threads: int | None = Field(None, gt=0, description="Threads for DuckDB; unset: one per core.")
    executor: Literal["in_process", "kubernetes", "celery"] = Field(
        "in_process", description="Where the steps of a run execute: in its process, or each in a pod or on a worker."
    )
    executor_config: Path | None = Field(
        None, description="YAML with Dagster's `execution: config:` of that executor; unset: its defaults."
    )
    settle_seconds: float = Field(
        10.0, ge=0, description="A file that ends within a line is not read until it is unchanged for this long."
    )
    intervals: bool = Field(
        True,
        description="Count every hour by 5 minutes too (metrics.interval_stats), and judge what happens inside it. "
        "false: hours that are computed from then on have none.",
    )
    max_hours_per_run: int = Field(168, gt=0, description="The most hours of a run that a sensor requests.")
    max_hours_per_backfill: int = Field(
        2208,
        gt=0,
        description="At least MAX_HOURS_PER_RUN. A run or backfill that covers more hours is refused, by UI, API and "
        "Dagster's command line alike; `election-metrics backfill` cuts a wider range into runs that fit.",
    )
    warm_runs: bool = Field(
        True, description="Fork runs from a process that has everything imported; false: a new interpreter per run."
    )
    reserve_mb: int = Field(
        64, ge=0, description="Megabytes reserved for PostgreSQL on a full disk: landing waits while less is free."
    )
    set_aside_minutes: float = Field(
        60, ge=0, description="A file that makes a landing fail is set aside, and retried after this long."
    )
    keep_events_hours: int = Field(
        2, gt=0, description="Hours that Dagster's log of successful runs, and of idle ticks, is kept."
    )
    keep_runs_days: int = Field(30, gt=0, description="Days that Dagster's record of all other runs and ticks is kept.")
    keep_commits_hours: float = Field(24, gt=0, description="Hours of which every commit can be asked for (as_of).")
    keep_history_days: int | None = Field(None, gt=0, description="Days that replaced rows are kept; unset: for ever.")
    alert_webhook: SecretStr | None = Field(
        None, description='Alerts are posted here as {"text": …}, which Slack, Mattermost and others accept.'
    )
    alert_email: str | None = Field(None, description="Alerts are mailed to this address; needs SMTP_URL.")
    smtp_url: SecretStr | None = Field(
        None, description="Mail server: smtp://user:password@host:587 (STARTTLS) or smtps://…:465."
    )
    alert_urls: SecretStr | None = Field(
        None,
        description="Alerts are also sent to these Apprise URLs, separated by spaces: tgram://token/chat for "
        "Telegram, msteams://… and a hundred more (https://appriseit.com/services).",
    )
    alert_after_minutes: int = Field(
        30, gt=0, description="During voting, input of an hour that arrives later than this after its end is a problem."
    )
    ui_url: str = Field(
        "http://127.0.0.1:3000", description="Address of the Dagster UI, for links; `up` fills in its own."
    )
    ui_hosts: str | None = Field(
        None,
        description="Further host names of the Dagster UI, separated by commas, such as ui.example.org.",
    )
    ui_token: SecretStr | None = Field(
        None,
        description="Token for the Dagster UI: the password to any user name, or Authorization: Bearer. Required if "
        "`up --host` is not an address of this machine only.",
    )
    ui_reads: Literal["open", "token"] | None = Field(
        None,
        description="Access to the read-only Dagster UI: everyone (open), or with UI_TOKEN; unset: everyone, on this "
        "machine only.",
    )
    ui_reports: bool = Field(
        False, description="Whether people and other programs may report asset events that no run made."
    )
    metrics_port: int | None = Field(
        None, description="Port on which `up` serves the pipeline's Prometheus metrics; unset: none."
    )
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the page and the API that `up` serves; 0: none.")
    api_host: str = Field(
        "127.0.0.1",
        description="Address that they listen on. Unless it is of this machine only, every request needs a token.",
    )
    api_hosts: str | None = Field(
        None, description="Their host names for other machines, separated by commas, such as turnout.example.org."
    )
    api_reads: Literal["open", "token"] | None = Field(
        None, description="Read access: everyone (open), or with a token; unset: everyone, on this machine only."
    )
    api_origins: Origins = Field(
        None,
        description="Sites whose pages may read the API in a browser (CORS), such as https://paper.example; several "
        "are separated by commas; *: all. Cookies are never taken from there.",
    )
    embed_origins: Origins = Field(
        None, description="Sites that may show charts in a frame (/embed), such as https://paper.example; *: all."
    )
    api_tokens: Path | None = Field(
        None,
        description="File of the API's tokens, hashed; `election-metrics token` writes it; unset: HOME/tokens.json.",
    )
    api_read_rate: Rate = Field("200/second", description="Most reads of one address or token.")
    api_write_rate: Rate = Field("60/minute", description="Most changes, and wrong tokens, of one address or token.")
    api_streams_per_address: int = Field(50, gt=0, description="Most open live streams of one address.")
    api_streams: int = Field(500, gt=0, description="Most open live streams in all.")
    api_session_hours: float = Field(12, gt=0, description="Hours after which the page asks for the token again.")
    api_database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL with a separate login for the API, a member of election_metrics_api; unset: "
        "DATABASE_URL, whose connections assume that role.",
    )
    api_webserver: str | None = Field(
        None, description="Address of Dagster's webserver for the API, which requests runs there; unset: UI_URL."
    )
    database_role: str | None = Field(
        None, pattern="^[a-z_]+$", description="Role that connections to the warehouse assume; the API sets it."
    )
    cache_url: SecretStr | None = Field(
        None, description="Redis for a response cache shared by several APIs: redis://host:6379/0; unset: in memory."
    )
    cache_answers: int = Field(20_000, gt=0, description="Most answers in the in-memory response cache.")
    cache_seconds: float = Field(
        60, gt=0, description="Longest time that an answer is cached; a commit invalidates it at once."
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

    @field_validator("portal_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
            raise ValueError("it must begin with http:// or https://, such as https://stat.vybory.gov.ru/api")
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
            # Every command reads the settings, and importing SQLAlchemy would slow each of them down.
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
        """Folder of the lake, or its location in an object store."""
        return place(str(self.lake), f"{PREFIX}LAKE") if self.lake else self.home / "lake"

    @property
    def scratch_path(self) -> Path:
        """Folder on this machine for scratch files: the lake, or HOME/scratch if the lake is in an object store."""
        lake = self.lake_path
        return lake if isinstance(lake, Path) else self.home / "scratch"

    @property
    def source_path(self) -> Location | None:
        """Folder of the export files, or its location in an object store."""
        return None if self.source is None else place(str(self.source), f"{PREFIX}SOURCE")

    @property
    def dagster_path(self) -> Path:
        """Folder of Dagster's files."""
        return self.home / "dagster"

    @property
    def reserve_bytes(self) -> int:
        """Bytes reserved for PostgreSQL on a full disk."""
        return self.reserve_mb * 1_000_000

    @property
    def first_shown(self) -> datetime:
        """The first hour with a partition."""
        return max(self.first_hour, self.first_partition or self.first_hour)

    @property
    def is_zone_chosen(self) -> bool:
        """Whether people chose the default time zone."""
        return "time_zone" in self.model_fields_set

    @property
    def most_hours(self) -> int:
        """The most hours of any run or backfill."""
        return self.max_hours_per_backfill

    @property
    def late_after(self) -> timedelta:
        """How long after its end an hour's input may arrive without being overdue."""
        return timedelta(minutes=self.alert_after_minutes)

    @property
    def tokens_path(self) -> Path:
        """File of the API's tokens."""
        return self.api_tokens or self.home / "tokens.json"

    @property
    def default_zone(self) -> ZoneInfo:
        """Time zone of constituencies without a known region."""
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
    """Reads the environment; `overrides` take precedence.

    Raises:
        SettingsError: a value is invalid; one sentence with the variable's name and what it must be.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()
