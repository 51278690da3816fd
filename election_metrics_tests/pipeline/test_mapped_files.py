"""Files by mapping: every kind of rows and form ends in the figures that its files say, and what they do not say is told."""

import gzip
import itertools
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import duckdb
import pandas as pd
import pytest

import election_metrics
from election_metrics.errors import SettingsError, SourceError
from election_metrics.pipeline.hours import changed_hours, compute_hours, contiguous
from election_metrics.pipeline.mapped_source import MappedSource, land_files, open_files, unreadable_files
from election_metrics.pipeline.publication import (
    compute_anomalies,
    compute_constituency_metrics,
    compute_election_summaries,
)
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import read_file_mapping
from election_metrics_tests.computing import everything, rows

NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
SHIPPED = Path(election_metrics.__file__).parent / "data" / "mappings"
COUNTERS = """
files = "*.csv"
name = "turnout"
rows = "counters"
time_zone = "Europe/Rome"
election = "A vote"
opening_hours = [[2026-09-18T07:00:00, 2026-09-18T23:00:00], [2026-09-19T07:00:00, 2026-09-19T15:00:00]]
[columns]
constituency = "place"
name = "place"
region = "region"
time = "time"
votes = "voted"
registered = "voters"
"""
HEADER = "place,region,voters,time,voted"


def mapped(settings: Settings, mapping: Path) -> Settings:
    return settings.model_copy(update={"source_table": mapping})


def land(settings: Settings, mapping: Path, now: datetime = NOW) -> None:
    """Lands the files and computes what changed."""
    chosen = mapped(settings, mapping)
    files = open_files(chosen)
    assert files is not None
    land_files(chosen, files, "run", now)
    refresh_registry(chosen, "run", now)
    for first, last in contiguous(changed_hours(chosen, now), 744):
        compute_hours(chosen, first, last + timedelta(hours=1), "run", now)
    compute_constituency_metrics(chosen, "run", now=now)
    compute_anomalies(chosen, "run", now=now)
    compute_election_summaries(chosen, "run", now=now)


def hours_of(settings: Settings, place: str | None = None) -> dict[str, tuple[int, int]]:
    """Bulletins and votes by hour (UTC)."""
    where = "" if place is None else f"WHERE constituency_id = '{place}'"
    query = f"SELECT hour, sum(bulletins_issued)::bigint AS b, sum(votes_cast)::bigint AS v FROM metrics.hourly_stats {where} GROUP BY 1 ORDER BY 1"  # fmt: skip
    return {f"{row.hour:%d %H}": (row.b, row.v) for row in rows(settings, query).itertuples()}


def totals(settings: Settings) -> dict[str, int]:
    frame = rows(
        settings, "SELECT constituency_id, votes_cast FROM metrics.constituency_metrics WHERE period = 'election'"
    )
    return dict(zip(frame["constituency_id"], frame["votes_cast"], strict=True))


def findings(settings: Settings) -> list[tuple[str, str, str]]:
    frame = rows(
        settings, "SELECT rule, severity, explanation FROM metrics.anomalies WHERE state = 'open' ORDER BY 1, 3"
    )
    return [tuple(row) for row in frame.itertuples(index=False)]


def put(folder: Path, mapping: str, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    (folder / "mapping.toml").write_text(mapping, "utf-8")
    return folder / "mapping.toml"


def test_what_was_published_is_spread_over_the_open_hours_between_and_adds_up(chosen: Settings, tmp_path: Path) -> None:
    text = "\n".join([
        HEADER, "a,North,100,2026-09-18 12:00,11", "a,North,100,2026-09-18 23:00,33", "a,North,101,2026-09-19 15:00,60",
        "b,South,7,2026-09-19 15:00,0",
    ])  # fmt: skip
    land(chosen, put(tmp_path / "in", COUNTERS, turnout=text))
    counted = hours_of(chosen, "a")
    assert sum(votes for _, votes in counted.values()) == 60
    # 07 to 12 local is 05 to 10 UTC: 11 votes over 5 hours; the closed night has none.
    assert [counted[f"18 {hour:02d}"] for hour in range(5, 10)] == [(0, 2), (0, 2), (0, 2), (0, 2), (0, 3)]
    assert not {hour for hour in counted if "18 21" <= hour < "19 05"}
    summary = rows(chosen, "SELECT * FROM metrics.election_summaries").iloc[0]
    assert (summary["votes_cast"], summary["registered_voters"], summary["constituencies_silent"]) == (60, 108, 1)
    places = rows(
        chosen, "SELECT constituency_id, name, region, starts_at, ends_at FROM metrics.constituencies ORDER BY 1"
    )
    assert list(places["region"]) == ["North", "South"]
    assert f"{places['starts_at'][0]:%d %H} {places['ends_at'][0]:%d %H}" == "18 05 19 13"
    spread = rows(chosen, "SELECT hour, spread_votes FROM metrics.spread_hours WHERE constituency_id = 'a'")
    assert {f"{row.hour:%d %H}": row.spread_votes for row in spread.itertuples()} == {
        hour: votes for hour, (_, votes) in counted.items()
    }
    assert not findings(chosen)
    judged = rows(chosen, "SELECT rule, constituencies_judged AS judged FROM metrics.rule_coverage").set_index("rule")[
        "judged"
    ]
    assert not judged[["spike", "drop", "silence", "burst", "votes_exceed_bulletins"]].any()
    assert judged["turnout_above_register"] == 2


def test_a_number_that_falls_is_a_finding_and_the_last_one_is_the_total(chosen: Settings, tmp_path: Path) -> None:
    random.seed(3)
    lines, last, falls = [HEADER], {}, 0
    for place in range(40):
        so_far = 0
        for hour in range(8, 23):
            before = so_far
            so_far = max(0, so_far + random.choice([5, 9, 30, -4, -11]))
            falls += so_far < before
            lines.append(f"p{place:02d},R,900,2026-09-18 {hour:02d}:00,{so_far}")
            last[f"p{place:02d}"] = so_far
    assert falls > 150
    land(chosen, put(tmp_path / "in", COUNTERS, turnout="\n".join(lines)))
    counted = totals(chosen)
    assert {place: counted.get(place, 0) for place in last} == last
    found = findings(chosen)
    assert {rule for rule, _, _ in found} == {
        "figures_fall",
        "input_missing",
    }  # nothing was published of the second day
    assert sum(rule == "figures_fall" for rule, _, _ in found) == falls
    kept = rows(chosen, "SELECT * FROM metrics.published_counters ORDER BY constituency_id, observed_at")
    assert len(kept) == 40 * 15
    assert int((kept["correction"] < 0).sum()) == falls
    for row in kept[kept["correction"] < 0].itertuples():
        said = f"fell from {row.published - row.correction} to {row.published}"
        assert any(said in text for _, _, text in found)
    assert (rows(chosen, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"] >= 0).all()


def test_any_order_of_files_ends_in_equal_tables(chosen: Settings, tmp_path: Path) -> None:
    parts = {
        f"s{hour}": f"{HEADER}\na,North,100,2026-09-18 {hour}:00,{so_far}\nb,South,50,2026-09-18 {hour}:00,{so_far // 2}\n"
        for hour, so_far in ((10, 8), (12, 30), (13, 28), (18, 70))
    }
    whole = put(tmp_path / "whole", COUNTERS, **parts)
    land(chosen, whole)
    wanted, kept = (
        everything(chosen),
        "SELECT constituency_id, counter, observed_at, published, counted FROM metrics.published_counters ORDER BY 1, 3",
    )
    observed = rows(chosen, kept)
    for order in random.Random(1).sample(list(itertools.permutations(parts)), 3):
        for path in (tmp_path / "whole").glob("*.csv"):
            path.unlink()
        land_or_nothing = iter(order)
        (tmp_path / "whole" / "s0.csv").write_text(f"{HEADER}\na,North,100,2026-09-18 09:00,3\n")  # withdrawn later
        for name in land_or_nothing:
            (tmp_path / "whole" / f"{name}.csv").write_text(parts[name])
            land(chosen, whole)
        (tmp_path / "whole" / "s0.csv").unlink()
        land(chosen, whole)
        land(chosen, whole)
        assert everything(chosen) == wanted
        pd.testing.assert_frame_equal(rows(chosen, kept), observed)


def test_a_later_file_corrects_an_earlier_one_and_two_numbers_in_one_file_count_as_none(
    chosen: Settings, tmp_path: Path
) -> None:
    mapping = put(
        tmp_path / "in", COUNTERS, one=f"{HEADER}\na,N,100,2026-09-18 08:00,10\n", two=f"{HEADER}\na,N,100,2026-09-18 08:00,12\n"
    )  # fmt: skip
    land(chosen, mapping)
    assert totals(chosen) == {"a": 12}
    put(tmp_path / "in", COUNTERS, two=f"{HEADER}\na,N,100,2026-09-18 08:00,12\na,N,100,2026-09-18 08:00,99\n")
    land(chosen, mapping)
    assert totals(chosen) == {"a": 10}
    (reason,) = rows(chosen, "SELECT DISTINCT reason FROM ingest.rejected_transactions")["reason"]
    (line, *_) = rows(chosen, "SELECT content FROM ingest.rejected_transactions")["content"]
    assert "quantity" in reason
    assert "12 and 99 at one time in one file" in line


def test_counts_of_intervals_count_where_they_are(chosen: Settings, tmp_path: Path) -> None:
    text = 'place;from;issued;voted\na;18.09.2026 10:00;1.200;1.100\na;18.09.2026 11:00;0;3\nb;18.09.2026 10:00;"5";x\n'
    mapping = """
        files = "*.csv"
        name = "counts"
        rows = "counts"
        time_zone = "Europe/Moscow"
        election = "E"
        [csv]
        delimiter = ";"
        decimal = ","
        [columns]
        constituency = "place"
        time = { column = "from", format = "%d.%m.%Y %H:%M" }
        bulletins = "issued"
        votes = "voted"
    """
    land(chosen, put(tmp_path / "in", mapping, counts=text))
    assert hours_of(chosen) == {"18 07": (1205, 1100), "18 08": (0, 3)}
    assert len(rows(chosen, "SELECT * FROM ingest.rejected_transactions")) == 1


def events(folder: Path, form: str, said: list[dict[str, object]]) -> None:
    """The same rows in another form."""
    frame = pd.DataFrame(said)
    text = frame.to_csv(index=False)
    if form == "csv":
        (folder / "e.csv").write_text(text)
    elif form == "gz":
        (folder / "e.csv.gz").write_bytes(gzip.compress(text.encode()))
    elif form == "zip":
        with ZipFile(folder / "e.zip", "w") as packed:
            packed.writestr("part/one.csv", frame.iloc[:2].to_csv(index=False))
            packed.writestr("part/two.csv", frame.iloc[2:].to_csv(index=False))
    elif form == "utf-16":
        (folder / "e.csv").write_text(text, "utf-16")
    elif form == "jsonl":
        (folder / "e.jsonl").write_text("\n".join(json.dumps(row) for row in said))
    elif form == "json":
        (folder / "e.json").write_text(json.dumps({"data": {"rows": said}}))
    else:
        duckdb.from_df(frame).write_parquet(str(folder / "e.parquet"))


@pytest.mark.parametrize("form", ["csv", "gz", "zip", "utf-16", "jsonl", "json", "parquet"])
def test_every_form_of_the_same_rows_gives_the_same_figures(chosen: Settings, tmp_path: Path, form: str) -> None:
    said: list[dict[str, object]] = [
        {"n": f"t{number}", "place": "П1" if number % 2 else "П2", "what": "give" if number < 4 else "cast", "at": f"2026-09-18T08:00:{number:02d}Z",
         "who": f"k{number % 3}"} for number in range(8)
    ]  # fmt: skip
    folder = tmp_path / form
    folder.mkdir()
    events(folder, form, said)
    extra = {"utf-16": '[csv]\nencoding = "utf-16"', "json": '[json]\nrows = "data.rows"'}.get(form, "")
    mapping = f"""
        files = ["*"]
        name = "calls"
        election = "E"
        {extra}
        [columns]
        constituency = "place"
        id = "n"
        time = "at"
        type = "what"
        voter = "who"
        [types]
        give = "blindSigIssue"
        cast = "vote"
    """.replace('["*"]', '["e.*"]')
    (folder / "m.toml").write_text(mapping)
    land(chosen, folder / "m.toml")
    frame = rows(
        chosen, "SELECT constituency_id, bulletins_issued, votes_cast, revotes FROM metrics.hourly_stats ORDER BY 1"
    )
    assert frame.values.tolist() == [["П1", 2, 2, 0], ["П2", 2, 2, 0]]
    assert not unreadable_files(chosen, "calls")


def test_rows_without_an_id_count_as_often_as_they_are_there_and_a_column_may_be_cut_and_translated(
    chosen: Settings, tmp_path: Path
) -> None:
    text = "where,when,kind\nReg-12/4,2026-09-18 08:00:00,V\nReg-12/4,2026-09-18 08:00:00,V\nReg-7/1,2026-09-18 09:00:00,?\n"
    mapping = """
        files = "*.csv"
        name = "log"
        time_zone = "Asia/Tokyo"
        [columns]
        constituency = { column = "where", regex = "-(\\\\d+)/" }
        region = { column = "where", split = "/", part = 2 }
        election = { file = "vote-(\\\\d{4})" }
        time = "when"
        type = { column = "kind", map = { V = "vote" }, otherwise = "blindSigIssue" }
    """
    land(chosen, put(tmp_path / "in", mapping, **{"vote-2026": text}))
    frame = rows(
        chosen, "SELECT constituency_id, hour, votes_cast, bulletins_issued FROM metrics.hourly_stats ORDER BY 1"
    )
    assert [(row[0], f"{row[1]:%d %H}", *row[2:]) for row in frame.itertuples(index=False)] == [
        ("12", "17 23", 2, 0), ("7", "18 00", 0, 1),
    ]  # fmt: skip
    assert list(rows(chosen, "SELECT name FROM metrics.elections")["name"]) == ["2026"]


def test_a_file_whose_column_changed_its_name_is_left_out_and_named(chosen: Settings, tmp_path: Path) -> None:
    good, bad = (
        f"{HEADER}\na,N,100,2026-09-18 08:00,10\n",
        "place,region,voters,time,voti\na,N,100,2026-09-18 09:00,20\n",
    )
    mapping = put(tmp_path / "in", COUNTERS, one=good, two=bad)
    land(chosen, mapping)
    assert totals(chosen) == {"a": 10}
    (reason,) = unreadable_files(chosen, "turnout")
    assert reason.endswith(
        "it has no column 'voted', which columns.votes names; it has: place, region, voters, time, voti"
    )
    put(tmp_path / "in", COUNTERS, two=bad.replace("voti", "voted"))
    land(chosen, mapping)
    assert (totals(chosen), unreadable_files(chosen, "turnout")) == ({"a": 20}, [])
    assert not len(rows(chosen, "SELECT * FROM ingest.transaction_files WHERE status = 'unreadable'"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (('rows = "counters"', 'rows = "ballots"'), "rows is 'ballots': Input should be 'events', 'counts' or 'counters'"),
        (('votes = "voted"', ""), "name the columns.votes or columns.bulletins that are counted"),
        (('"Europe/Rome"', '"Rome"'), "time_zone is 'Rome': it must be an IANA time zone such as Europe/Moscow"),
        (('time = "time"', 'time = { column = "time", fromat = "%Y" }'), "columns.time.fromat is no key of a mapping"),
        (('time = "time"', 'time = { file = "(" }'), "it is no regular expression"),
        (("2026-09-18T23:00:00]", "2026-09-18T03:00:00]"), "is no span of whole hours"),
        (('name = "turnout"', ""), "name is missing"),
        (("[columns]", "[columns"), "is not valid TOML"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_wrong_is_a_sentence(tmp_path: Path, changed: tuple[str, str], sentence: str) -> None:
    (tmp_path / "m.toml").write_text(COUNTERS.replace(*changed))
    with pytest.raises(SettingsError, match=r"m\.toml") as raised:
        read_file_mapping(tmp_path / "m.toml")
    assert sentence in str(raised.value)


def test_days_swapped_with_months_are_rejected_and_nothing_half_lands(chosen: Settings, tmp_path: Path) -> None:
    text = f"{HEADER}\na,N,100,09/18/2026 08:00,10\na,N,100,09/11/2026 09:00,20\n"
    mapping = put(
        tmp_path / "in", COUNTERS.replace('"time"', '{ column = "time", format = "%d/%m/%Y %H:%M" }'), one=text
    )
    land(chosen, mapping, NOW)
    assert not totals(chosen)
    assert set(rows(chosen, "SELECT reason FROM ingest.rejected_transactions")["reason"]) == {
        "the time cannot be read", "the timestamp is more than a day ahead of the clock",
    }  # fmt: skip


def test_pending_says_what_changed_and_nothing_once_it_landed(chosen: Settings, tmp_path: Path) -> None:
    mapping = put(tmp_path / "in", COUNTERS, one=f"{HEADER}\na,N,100,2026-09-18 08:00,10\n")
    here = mapped(chosen, mapping)
    files = open_files(here)
    assert files is not None
    assert MappedSource(files).pending(here, NOW).news
    land(chosen, mapping)
    assert not MappedSource(files).pending(here, NOW).news
    (tmp_path / "in" / "two.csv").write_text(f"{HEADER}\na,N,100,2026-09-18 09:00,20\n")
    assert MappedSource(files).pending(here, NOW).news
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(SourceError, match=r"there is no file \*\.csv"):
        files.listed()


def test_ballots_are_what_the_newest_file_says(chosen: Settings, tmp_path: Path) -> None:
    head = "county_desc,ncid,ballot_send_dt,ballot_rtn_dt,ballot_rtn_status\n"
    sent = (
        head + "WAKE,A1,09/10/2026,,\nWAKE,A2,09/10/2026,09/15/2026,ACCEPTED\nDARE,A3,09/11/2026,09/16/2026,SPOILED\n"
    )
    later = (
        head
        + "WAKE,A1,09/10/2026,09/17/2026,ACCEPTED\nWAKE,A2,09/10/2026,09/15/2026,CANCELLED\nDARE,A3,09/11/2026,09/16/2026,ACCEPTED\n"
    )
    folder = tmp_path / "nc"
    folder.mkdir()
    shutil.copy(SHIPPED / "north-carolina-absentee.toml", folder / "m.toml")
    (folder / "absentee_20260916.csv").write_text(sent)
    land(chosen, folder / "m.toml")
    assert totals(chosen) == {"WAKE": 1, "DARE": 0}
    (folder / "absentee_20260917.csv").write_text(later)
    land(chosen, folder / "m.toml")
    assert totals(chosen) == {"WAKE": 1, "DARE": 1}
    sums = rows(
        chosen, "SELECT sum(bulletins_issued)::bigint AS b, sum(withdrawn)::bigint AS w FROM metrics.hourly_stats"
    ).iloc[0]
    assert (sums["b"], sums["w"]) == (3, 1)
    judged = rows(chosen, "SELECT rule, constituencies_judged AS judged FROM metrics.rule_coverage").set_index("rule")[
        "judged"
    ]
    assert not judged[["spike", "silence", "burst"]].any()
    assert not findings(chosen)


COOKBOOK = {
    "italy-sections": ("x_sections.csv", "com_istat_code,codice_sezione,comune,elettori_totali,orario,votanti\n008001,1,AIROLE,262,20241027120000,45\n"
                                         "008001,1,AIROLE,262,20241028150000,143\n", 143, "2024-10-28 13"),
    "italy-communes": ("x_comuni.csv", "CODICE ISTAT,comune,elettori,datah12,voti_h12,datah19,voti_h19,datah23,voti_h23,datah15,voti_h15\n"
                                       "028001,ABANO,900,20260920120000,5,20260920190000,9,20260920230000,11,20260921150000,30\n", 30, None),
    "romania-presence": ("presence_2026-09-18_10-00.csv", "Judet,UAT,Nr sectie de votare,Nume sectie de votare,Înscriși pe liste permanente,LT\n"
                                                          "SR,SPANIA,7,Madrid,500,21\nAB,ALBA,1,Scoala,900,40\n", 61, None),
    "north-carolina-absentee": ("absentee_1.csv", "county_desc,ncid,ballot_send_dt,ballot_rtn_dt,ballot_rtn_status\nWAKE,A,09/10/2026,09/15/2026,ACCEPTED\n", 1, None),
    "georgia-absentee": ("g.csv", "County,Voter Registration #,Ballot Status,Ballot Issued Date,Ballot Return Date\nFULTON,1,A,09/10/2026,09/15/2026\n"
                                  "FULTON,2,R,09/10/2026,09/15/2026\nFULTON,3,,09/12/2026,\n", 1, None),
    "estonia-online": ("e.csv", "aeg;e-hääletanuid;valijaid\n18.09.2026 10:00;50;1000\n18.09.2026 11:00;90;1000\n", 90, None),
    "moscow-online": ("m.jsonl", '{"Hash":"h1","Type":"issue_ballot","Timestamp":"2026-09-18T09:00:00","VotingId":"1","Payload":{}}\n'
                                 '{"Hash":"h2","Type":"accept_ballot","Timestamp":"2026-09-18T09:01:00","VotingId":"1","Payload":{"voter_key":"abc"}}\n'
                                 '{"Hash":"h3","Type":"accept_ballot","Timestamp":"2026-09-18T11:01:00","VotingId":"1","Payload":{"voter_key":"abc"}}\n', 1, "2026-09-18 08"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(COOKBOOK))
def test_the_cookbook_reads_data_of_its_shape(chosen: Settings, tmp_path: Path, name: str) -> None:
    file, text, votes, hour = COOKBOOK[name]
    (tmp_path / "in").mkdir()
    mapping = Path(shutil.copy(SHIPPED / f"{name}.toml", tmp_path / "in" / "m.toml"))
    if name == "italy-communes":
        mapping.write_text(mapping.read_text().replace("2020-09-", "2026-09-"))
    (tmp_path / "in" / file).write_text(text, "utf-8")
    land(chosen, mapping, datetime(2026, 9, 25, tzinfo=UTC))
    assert sum(totals(chosen).values()) == votes
    assert not len(rows(chosen, "SELECT * FROM ingest.rejected_transactions"))
    assert not unreadable_files(chosen, read_file_mapping(mapping).source)
    if hour is not None:
        last = rows(chosen, "SELECT max(hour) AS hour FROM metrics.hourly_stats WHERE votes_cast > 0")["hour"][0]
        assert f"{last:%Y-%m-%d %H}" <= hour
    assert {path.stem for path in SHIPPED.glob("*.toml")} == set(COOKBOOK)


def test_the_real_sections_of_liguria_and_communes_of_italy_are_exact(chosen: Settings, tmp_path: Path) -> None:
    shared = Path(__file__).parents[3] / "shared" / "data" / "italy"
    if not shared.exists():
        pytest.skip("the published series are not here")
    shutil.copy(SHIPPED / "italy-sections.toml", tmp_path / "m.toml")
    shutil.copy(shared / "liguria_2024_sections.csv", tmp_path)
    land(chosen, tmp_path / "m.toml")
    summary = rows(chosen, "SELECT * FROM metrics.election_summaries").iloc[0]
    assert (summary["votes_cast"], summary["registered_voters"], summary["anomalies_critical"]) == (
        616_748,
        1_341_693,
        0,
    )
    kept = rows(chosen, "SELECT observed_at, sum(published)::bigint AS votes, count(*) AS places FROM metrics.published_counters "
                        "GROUP BY 1 ORDER BY 1")  # fmt: skip
    assert list(kept["votes"]) == [174_820, 409_806, 465_142, 616_748]
    assert set(kept["places"]) == {1785}
    running = rows(chosen, "SELECT hour, running_votes FROM metrics.election_hours").set_index("hour")["running_votes"]
    for row in kept.itertuples():
        assert running[row.observed_at - pd.Timedelta(hours=1)] == row.votes
    assert not len(rows(chosen, "SELECT * FROM metrics.published_counters WHERE correction < 0"))
