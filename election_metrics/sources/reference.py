"""The optional reference file: a CSV that corrects or completes the registry."""

from pathlib import Path

import pandas as pd

from election_metrics.errors import DataError, SettingsError
from election_metrics.settings import time_zones

COLUMNS = (
    "constituency_id", "name", "election", "region_code", "region", "time_zone",
    "registered_voters", "starts_at", "ends_at",
)  # fmt: skip
_TIMES = ("starts_at", "ends_at")


def empty_reference() -> pd.DataFrame:
    """An empty reference."""
    return _typed(pd.DataFrame({column: pd.Series(dtype=object) for column in COLUMNS}))


def read_reference(path: Path, default_zone: str) -> pd.DataFrame:
    """Reads the reference: `constituency_id` and any other of COLUMNS; an empty field overrides nothing.

    Times are ISO 8601; one without a zone is local to the row's time zone.

    Raises:
        SettingsError: the file that ELECTION_METRICS_REFERENCE names cannot be read.
        DataError: a column or a value is wrong; the line is named.
    """
    try:
        frame = pd.read_csv(path, dtype=object, keep_default_na=False, na_values=[""], encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SettingsError(f"ELECTION_METRICS_REFERENCE is {str(path)!r}: it cannot be read: {error}") from None
    strange = [str(column) for column in frame.columns if column not in COLUMNS]
    if strange or "constituency_id" not in frame.columns:
        raise DataError(f"{path}: line 1: the columns must be constituency_id and any of {', '.join(COLUMNS[1:])}; "
                        f"unknown: {', '.join(strange) or 'none, but constituency_id is missing'}")  # fmt: skip
    frame = frame.reindex(columns=list(COLUMNS))
    _refuse(path, frame["constituency_id"].isna(), "constituency_id is empty")
    _refuse(path, frame["constituency_id"].duplicated(), "constituency_id is repeated")
    zones = time_zones()
    _refuse(path, frame["time_zone"].notna() & ~frame["time_zone"].isin(zones), "time_zone is no IANA time zone")
    voters = frame["registered_voters"]
    _refuse(path, voters.notna() & ~voters.astype(str).str.fullmatch(r"\d{1,12}"), "registered_voters is no count")
    for column in _TIMES:
        frame[column] = _times(path, frame, column, default_zone)
    _refuse(path, frame["ends_at"] <= frame["starts_at"], "ends_at is not after starts_at")
    return _typed(frame)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame["registered_voters"] = pd.to_numeric(frame["registered_voters"]).astype("Int64")
    for column in _TIMES:
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


def _times(path: Path, frame: pd.DataFrame, column: str, default_zone: str) -> pd.Series:
    zones = frame["time_zone"].astype(object).fillna(default_zone)
    try:
        return pd.Series(
            [
                pd.NaT if pd.isna(value) else _instant(str(value), str(zone))
                for value, zone in zip(frame[column], zones, strict=True)
            ],
            index=frame.index,
            dtype="datetime64[us, UTC]",
        )
    except ValueError:
        wrong = (
            frame[column].notna() & pd.to_datetime(frame[column], errors="coerce", utc=True, format="ISO8601").isna()
        )
        _refuse(path, wrong, f"{column} is no time such as 2026-09-18T08:00+03:00")
        raise DataError(f"{path}: {column} holds a time that cannot be read") from None


def _instant(value: str, zone: str) -> pd.Timestamp:
    moment = pd.Timestamp(value)
    return (moment.tz_localize(zone) if moment.tzinfo is None else moment).tz_convert("UTC")


def _refuse(path: Path, wrong: pd.Series, reason: str) -> None:
    if wrong.any():
        line = int(wrong.to_numpy().argmax()) + 2
        raise DataError(f"{path}: line {line}: {reason}")
