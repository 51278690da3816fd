"""Drafts a mapping from a file, by the names of its columns and what is in them. A person must look at it."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pandas as pd

from election_metrics.errors import SourceError
from election_metrics.lake.engine import connect_here
from election_metrics.pipeline.mapped_sheets import write_sheet
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import Sheet

_ROWS = 40_000
_FORMATS = (
    "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y",
    "%d.%m.%Y",
)  # fmt: skip
_FEW = 3
_NEARLY_ALL = 0.95
_FAILED = r"reject|fail|spoil|invalid|refus|denied|abgelehnt|undeliver|after deadline|отклон"
_WITHDRAWN = r"cancel|withdr|void|annul|revok"
_CODES = r"code|codice|istat|nr$|number|siruta|fips|^id_|precinct|section|station|comune|place|county"
_WORDS = {
    "registered": r"registered|eligible|electorate|elettori(?!_?[mf])|voters_?total|initial_count|wahlberecht",
    "votes": r"votanti(?!_?[mf])|votes?(_cast|_count)?$|^voti|voted|turnout_?count|^lv$|^lt$|ballots_?cast|presenti",
    "bulletins": r"bulletins?|issued|ballots_?issued",
    "id": r"^id$|hash|tx_?id|transaction_?id|ballot_?id|uuid",
    "type": r"^type$|kind|operation|^call$|event",
    "status": r"status|state$|outcome|rtn_?status",
    "time": r"time|date|orario|_at$|^at$|moment|hour|rtn_?dt",
    "zone": r"time_?zone|^tz$",
    "region": r"region|province|provincia|county|jude|state_?name|oblast",
    "constituency": r"precinct|section|sezione|station|uik|comune|commune|municip|constituency|district|ward|place"
    r"|county",
    "name": r"_?name$|^name|_?desc$",
    "election": r"election",
}


def suggest(settings: Settings, path: Path) -> str:
    """A mapping as TOML, with a comment where a guess is one.

    Raises:
        SourceError: the file cannot be read, or has no rows.
    """
    settings.scratch_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    with connect_here(settings) as engine:
        try:
            options, rows = _read(engine, path)
        except (duckdb.Error, UnicodeError, json.JSONDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None
    if rows.empty or not len(rows.columns):
        raise SourceError(f"{path} has no rows")
    return _written(path, options, rows)


def _read(engine: duckdb.DuckDBPyConnection, path: Path) -> tuple[dict[str, object], pd.DataFrame]:
    ending = path.suffix.lower().removeprefix(".")
    if ending in ("xlsx", "xlsm"):
        return {}, _read_sheet(engine, path)
    if ending == "parquet":
        return {}, _sample(engine, "SELECT * FROM read_parquet(?)", path)
    if ending in ("jsonl", "ndjson"):
        return {}, _sample(engine, "SELECT * FROM read_json(?, format = 'newline_delimited')", path)
    if ending == "json":
        return _read_json(path)
    ((delimiter,),) = engine.execute("SELECT Delimiter FROM sniff_csv(?, sample_size = 20000)", [str(path)]).fetchall()
    read = f"SELECT * FROM read_csv(?, all_varchar = true, delim = '{delimiter}', header = true)"  # noqa: S608
    rows = _sample(engine, read, path)
    return {"csv": {"delimiter": delimiter} if delimiter != "," else {}}, rows


def _read_sheet(engine: duckdb.DuckDBPyConnection, path: Path) -> pd.DataFrame:
    with TemporaryDirectory() as work:
        names = write_sheet(Sheet(), path, Path(work) / "sheet.parquet")
        return _sample(engine, "SELECT * FROM read_parquet(?)", Path(work) / "sheet.parquet").set_axis(names, axis=1)


def _read_json(path: Path) -> tuple[dict[str, object], pd.DataFrame]:
    whole = json.loads(path.read_text("utf-8-sig"))
    key = ""
    while isinstance(whole, dict):
        lists = {name: value for name, value in whole.items() if isinstance(value, list | dict)}
        if not lists:
            break
        name = max(lists, key=lambda one: len(json.dumps(lists[one])))
        key, whole = f"{key}.{name}".lstrip("."), lists[name]
    objects = [one for one in (whole[:_ROWS] if isinstance(whole, list) else [whole]) if isinstance(one, dict)]
    rows = pd.json_normalize(objects)
    return ({"json": {"rows": key}} if key else {}), rows.map(lambda value: None if value is None else str(value))


def _sample(engine: duckdb.DuckDBPyConnection, query: str, path: Path) -> pd.DataFrame:
    rows: pd.DataFrame = engine.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({query}) LIMIT {_ROWS}", [str(path)]).df()  # noqa: S608
    return rows


def _written(path: Path, options: dict[str, object], rows: pd.DataFrame) -> str:
    columns = _roles(rows)
    groups = _groups(rows)
    if len(groups) > 1:
        columns = {role: name for role, name in columns.items() if role not in ("time", "votes", "bulletins")}
    formats = _format_of(rows[columns["time"]]) if "time" in columns else None
    place = _place_of(rows, columns)
    kind = "counters" if len(groups) > 1 else _kind_of(rows, place, columns, formats)
    if "constituency" in columns and place != [columns["constituency"]] and "name" not in columns:
        columns["name"] = columns["constituency"]
    lines = [
        f"# A draft from {path.name}: look at each line, then type: election-metrics source check THIS_FILE {path}",
        f"files = {json.dumps(['*' + path.suffix], ensure_ascii=False)}",
        f"name = {json.dumps(re.sub(r'[^0-9A-Za-z_.-]+', '-', path.stem)[:60] or 'files')}",
        f'rows = "{kind}"  # events: a row a call; counts: how many in an interval; counters: how many so far',
        *_doubts(kind, columns),
        'time_zone = "UTC"  # of times without one: an IANA name, such as Europe/Rome',
    ]
    if "election" not in columns:
        lines.append('election = "Name of the election"')
    if formats is not None and "%H" not in formats:
        lines.append('unit = "day"  # the times are dates')
    if kind == "counters":
        lines.append("# opening_hours = [[2026-09-18T07:00:00, 2026-09-18T23:00:00]]  # when voting is open")
    for table, values in options.items():
        if isinstance(values, dict) and values:
            lines += ["", f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    there = [" ".join(str(name).split()) for name in rows.columns]  # a comment is one line
    lines += ["", "[columns]", *_columns_written(kind, place, columns, formats, there, has_groups=len(groups) > 1)]
    for time, votes in groups if len(groups) > 1 else []:
        form = _format_of(rows[time])
        read = f', format = "{form}"' if form else ""
        lines += ["", "[[snapshots]]", f"time = {{ column = {_text(time)}{read} }}", f"votes = {_text(votes)}"]
    if kind == "events" and "status" in columns:
        said = sorted(str(value) for value in rows[columns["status"]].dropna().unique())[:12]
        lines += [
            "",
            "[status]",
            f"# the file says: {', '.join(said)}; what is in no list counts, as long as counted is empty",
            "counted = []",
            f"failed = {json.dumps([one for one in said if re.search(_FAILED, one, re.I)], ensure_ascii=False)}",
            f"withdrawn = {json.dumps([one for one in said if re.search(_WITHDRAWN, one, re.I)], ensure_ascii=False)}",
        ]
    return "\n".join(lines) + "\n"


def _doubts(kind: str, columns: dict[str, str]) -> list[str]:
    """A comment where the rows fit another kind as well."""
    if kind != "counters" or "time" not in columns:
        return []
    named = " and ".join(columns[name] for name in ("votes", "bulletins") if name in columns)
    return [
        f"# {' '.join(named.split())} hardly ever falls in a place, so it looks like a number so far.",
        '# If each is of its own interval, set rows = "counts".',
    ]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _columns_written(
    kind: str, place: Sequence[str], columns: dict[str, str], form: str | None, there: Sequence[str], *,
    has_groups: bool,
) -> list[str]:  # fmt: skip
    lines = []
    for role in _WANTED[kind]:
        if role == "constituency" and place:
            both = f'{{ columns = [{", ".join(map(_text, place))}], join = "-" }}'
            lines.append(f"constituency = {both if len(place) > 1 else _text(place[0])}")
            continue
        if has_groups and role in ("time", "votes", "bulletins"):
            continue
        is_counted = role == "votes" and kind != "events" and "bulletins" not in columns
        if role == "time" and form is not None:
            lines.append(f'time = {{ column = {_text(columns["time"])}, format = "{form}" }}')
        elif role in columns:
            lines.append(f"{role} = {_text(columns[role])}")
        elif role in ("constituency", "time") or is_counted:
            lines.append(f"# {role} = …  # no column looks like it; it has: {', '.join(there[:12])}")
        elif role == "type" and kind == "events":
            lines.append('type = { constant = "vote" }  # every row is a vote')
    return lines


_WANTED = {
    "events": ("constituency", "time", "zone", "name", "region", "election", "id", "type", "status"),
    "counts": ("constituency", "time", "zone", "name", "region", "election", "bulletins", "votes", "registered"),
    "counters": ("constituency", "time", "zone", "name", "region", "election", "bulletins", "votes", "registered"),
}


def _roles(rows: pd.DataFrame) -> dict[str, str]:
    """The column of each role: by its name, if what is in it fits."""
    roles: dict[str, str] = {}
    names = [str(name) for name in rows.columns]
    for role, pattern in _WORDS.items():
        taken = set(roles.values())
        fitting = [name for name in names if re.search(pattern, name, re.IGNORECASE) and name not in taken]
        if role in ("registered", "votes", "bulletins"):
            fitting = [name for name in fitting if _is_whole(rows[name])]
        elif role == "time":
            fitting = sorted(fitting, key=lambda name: _format_of(rows[name]) is None)
        elif role == "constituency":
            fitting = sorted(fitting, key=lambda name: -rows[name].nunique())
        if fitting:
            roles[role] = fitting[0]
    return roles


def _is_whole(values: pd.Series) -> bool:
    some = values.dropna()
    return bool(len(some)) and bool(some.astype(str).str.fullmatch(r"\d+(\.0+)?").mean() > 0.9)


def _format_of(values: pd.Series) -> str | None:
    """The format by which nearly all of these times can be read; None if they are read without one, or are no times."""
    some = values.dropna().astype(str).str.strip()
    some = some[some != ""].head(1000)
    if some.empty or bool(
        (pd.to_datetime(some, format="ISO8601", errors="coerce").notna() & some.str.contains("-")).all()
    ):
        return "%Y-%m-%d" if len(some) and bool((some.str.len() == len("2026-09-18")).all()) else None
    return _first_fitting(some, _FORMATS)


def _first_fitting(some: pd.Series, formats: Iterable[str]) -> str | None:
    fits = {form: float(pd.to_datetime(some, format=form, errors="coerce").notna().mean()) for form in formats}
    best = max(fits, key=lambda form: fits[form])
    return best if fits[best] > _NEARLY_ALL else None


def _groups(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of a column of times and one of votes, where a row has several of each."""
    names = [str(name) for name in rows.columns]
    times = [name for name in names if rows[name].nunique() <= _FEW and _format_of(rows[name]) is not None]
    votes = [name for name in names if re.search(_WORDS["votes"], name, re.IGNORECASE) and _is_whole(rows[name])]
    return list(zip(times, votes, strict=True)) if len(times) == len(votes) else []


def _place_of(rows: pd.DataFrame, columns: dict[str, str]) -> list[str]:
    """The column, or the two, by which rows of one time differ; the best guess by name if there are none."""
    if "constituency" not in columns:
        return []
    best = columns["constituency"]
    time = [columns["time"]] if "time" in columns else []
    taken = {name for role, name in columns.items() if role not in ("constituency", "name")}
    others = [str(name) for name in rows.columns if str(name) not in taken and re.search(_CODES, str(name), re.I)]
    for place in ([best], *([one] for one in others), *([other, best] for other in reversed(others) if other != best)):
        if rows[place].notna().all(axis=None) and not rows.duplicated([*place, *time]).any():
            return place
    return [best]


def _kind_of(rows: pd.DataFrame, place: Sequence[str], columns: dict[str, str], form: str | None) -> str:
    """Counters hardly ever fall in a place; rows without a number of votes are events."""
    counted: Sequence[str] = [columns[name] for name in ("votes", "bulletins") if name in columns]
    if not counted or not place:
        return "events"
    if "time" not in columns:
        return "counters"
    frame = pd.DataFrame({
        "place": rows[list(place)].astype(str).agg("-".join, axis=1),
        "number": pd.to_numeric(rows[counted[0]], errors="coerce"),
        "time": pd.to_datetime(rows[columns["time"]], format=form or "ISO8601", errors="coerce", utc=True),
    }).sort_values(["place", "time"])  # fmt: skip
    steps = frame.groupby("place")["number"].diff().dropna()
    return "counters" if len(steps) == 0 or bool((steps >= 0).mean() > 0.9) else "counts"
