"""A published package holds what the tables hold, is the same each time, and one changed byte or figure is found."""

import hashlib
import json
import random
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from election_metrics.cli import main
from election_metrics.commands.verify import run_verify
from election_metrics.errors import ElectionMetricsError, SettingsError
from election_metrics.pipeline.packages.contents import TABLES
from election_metrics.pipeline.packages.files import SUMS, csv_of, parquet_of, write_checksums, write_csv
from election_metrics.pipeline.packages.integrity import file_differences
from election_metrics.pipeline.packages.recomputing import derived_differences, sum_differences
from election_metrics.pipeline.packages.signing import public_pem, read_key
from election_metrics.pipeline.packages.writing import Wanted
from election_metrics.pipeline.verdicts import take_verdicts
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.thinning import thin_history
from election_metrics_tests.computing import rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.exports import CONTRACT, Folder, line, ms, vote
from election_metrics_tests.packages import (
    ELECTION,
    OUT_OF_BOOK,
    PACKED,
    REGION,
    differences,
    differences_against,
    published,
    vote_with_everything,
)

DERIVED = (
    "hourly_stats", "election_hours", "constituency_metrics", "election_summaries", "region_summaries",
    "participation_extremes",
)  # fmt: skip
GIVEN = {"rejected_lines", "computed_at", "run_id", "commit_number", "first_transaction_at"}
"""Columns that follow from the input, not from other tables of the package."""


@pytest.fixture(scope="session")
def made_once(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of the vote with everything (`out`), and its exports (`in`)."""
    root = tmp_path_factory.mktemp("package")
    with empty_warehouse(server, root / "home") as settings:
        published(settings, vote_with_everything(settings, root / "in"), root / "out")
    return root


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A package of the vote with everything; its exports are in `in` beside it, and its tables in `chosen`."""
    if "chosen" in request.fixturenames:
        chosen = request.getfixturevalue("chosen")
        published(chosen, vote_with_everything(chosen, tmp_path / "in"), tmp_path / "out")
    else:
        for part in ("in", "out"):
            shutil.copytree(request.getfixturevalue("made_once") / part, tmp_path / part)
    return tmp_path / "out"


def seal(folder: Path) -> None:
    """Makes hashes and descriptor fit what the files are now, as a forger would."""
    package = json.loads((folder / "datapackage.json").read_text())
    for one in package["resources"]:
        data = (folder / one["path"]).read_bytes()
        one |= {"bytes": len(data), "hash": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    (folder / "datapackage.json").write_text(json.dumps(package))
    write_checksums(folder)


def rewrite(folder: Path, table: str, rows_of: pa.Table) -> None:
    """Replaces a table of a package in both formats."""
    pq.write_table(rows_of, parquet_of(folder, table))
    with duckdb.connect() as engine:
        write_csv(engine, parquet_of(folder, table), csv_of(folder, table))


def test_a_package_holds_and_is_what_the_tables_are(chosen: Settings, tmp_path: Path, made: Path) -> None:
    assert differences(made) == {}
    for table in sorted({*TABLES} - {"sources", "quarantine"}):
        there = rows(chosen, f"SELECT count(*) AS n FROM metrics.{table}")["n"].iloc[0]
        assert pq.read_metadata(parquet_of(made, table)).num_rows == there, table
    votes = pd.read_parquet(parquet_of(made, "hourly_stats"))["votes_cast"].sum()
    assert votes == pd.read_csv(csv_of(made, "hourly_stats"))["votes_cast"].sum() == 13
    sources = pd.read_csv(csv_of(made, "sources"))
    assert set(sources["status"]) == {"landed", "withdrawn"}
    for row in sources[sources["member"].isna()].itertuples():
        (file,) = (tmp_path / "in").rglob(Path(row.file).name)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row.sha256
    quarantine = pd.read_csv(csv_of(made, "quarantine"))
    assert quarantine["lines"].tolist() == [1]
    assert len(pd.read_csv(csv_of(made, "corrections_log"))) > 0


def test_the_totals_hold_by_duckdb_alone_as_the_readme_says(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SUMS in (made / "README.md").read_text("utf-8")
    document = Path(__file__).parents[2] / "docs" / "publishing.md"
    assert SUMS.strip() in document.read_text("utf-8")
    monkeypatch.chdir(made)
    found = duckdb.connect().execute(SUMS).fetchall()
    assert [(name, *holds) for name, _, *holds in found] == [
        (part, True, True) for part in ("hours", "days", "regions")
    ]
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], check=False).returncode == 0


def test_export_files_that_are_the_same_count_to_the_same(tmp_path: Path, made: Path) -> None:
    """Also what was withdrawn, packed, late, or lies outside any known region."""
    assert differences_against(made, tmp_path / "in") == {}


def test_export_files_that_differ_are_named_with_the_first_figure(tmp_path: Path, made: Path) -> None:
    exports = tmp_path / "in"
    late = next(exports.rglob("*late.csv"))
    late.write_text(vote("late", ms(7), "late") + "\n" + vote("more", ms(8), "more") + "\n")
    next(exports.rglob("*1300-1400.csv")).unlink()
    (exports / f"{CONTRACT}_new.csv").write_text(vote("new", ms(9), "new") + "\n")
    found = differences_against(made, exports)
    assert len(found["exports"]) == 3
    assert any(late.name in one and "has other bytes: SHA-256" in one for one in found["exports"])
    assert any("1300-1400.csv is missing below" in one for one in found["exports"])
    assert any("new.csv is not among the package's files" in one for one in found["exports"])
    assert any(CONTRACT in one and "votes_cast is" in one for one in found["recount"])


def test_the_same_figures_are_the_same_bytes(chosen: Settings, tmp_path: Path, made: Path) -> None:
    election = json.loads((made / "datapackage.json").read_text())["election_id"]
    again = published(chosen, election, tmp_path / "again")
    assert again.earlier == 0, "it is the same package"
    subprocess.run(["diff", "-r", made, tmp_path / "again"], check=True)
    folder = Folder(tmp_path / "in" / REGION / ELECTION / "№3")
    folder.put(vote("n", ms(1), "n"), contract=PACKED, name="more")
    update(chosen, tmp_path / "in")
    later = published(chosen, election, tmp_path / "later")
    assert later.earlier == 1
    assert differences(tmp_path / "later") == {}
    assert differences(made) == {}


def test_one_flipped_bit_anywhere_is_found_with_its_file(made: Path) -> None:
    chance = random.Random(7)
    for file in sorted(path for path in made.rglob("*") if path.is_file()):
        sound = file.read_bytes()
        for place in (0, len(sound) - 1, chance.randrange(len(sound))):
            data = bytearray(sound)
            data[place] ^= 1 << chance.randrange(8)
            file.write_bytes(data)
            found = list(file_differences(made))
            assert found, (file, place)
            assert file.name == "SHA256SUMS" or file.name in found[0], (file, found)  # a sum names another file
        file.write_bytes(sound)
    assert list(file_differences(made)) == []


def test_a_changed_value_is_found_with_its_line(made: Path) -> None:
    file = csv_of(made, "hourly_stats")
    lines = file.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(",1,", ",2,", 1)
    file.write_text("".join(lines))
    found = differences(made)
    assert "data/hourly_stats.csv, line 3, bulletins_issued: 2; in Parquet 1" in found["files"][0]
    assert found.keys() == {"files", "formats", "descriptor"}


def test_missing_added_and_linked_files_are_found(tmp_path: Path, made: Path) -> None:
    (made / "README.md").unlink()
    (made / "page" / "more.js").write_text("alert(1)")
    copy = tmp_path / "elsewhere.css"
    (made / "page" / "page.css").rename(copy)
    (made / "page" / "page.css").symlink_to(copy)
    (made / ".lock").write_text("")
    (made / "page" / "etc").symlink_to(tmp_path)
    with (made / "SHA256SUMS").open("a") as sums:
        sums.write("more")
    first, *others = differences(made)["files"]
    assert first.endswith("it is no checksum")
    assert others == [
        "SHA256SUMS ends within a line", "README.md is missing", ".lock is not named in SHA256SUMS",
        "page/etc is not named in SHA256SUMS", "and 2 more",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "table", [DERIVED[0], *(pytest.param(one, marks=[pytest.mark.long, pytest.mark.rare]) for one in DERIVED[1:])]
)
def test_every_number_that_follows_from_the_hours_is_computed_again(made: Path, table: str) -> None:
    file = parquet_of(made, table)
    sound = pq.read_table(file)
    for place, field in enumerate(sound.schema):
        if field.name in GIVEN or not (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)):
            continue
        values = sound[field.name].to_pylist()
        row = max(range(len(values)), key=lambda number: values[number] or 0)
        values[row] = (values[row] or 0) + 1
        pq.write_table(sound.set_column(place, field, pa.array(values, field.type)), file)
        assert [*sum_differences(made), *derived_differences(made)], field.name


@pytest.fixture(scope="session")
def told_apart(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a vote with precincts, calls on the register, and a verifier's list."""
    root = tmp_path_factory.mktemp("told")
    with empty_warehouse(server, root / "home") as settings:
        here = {"primaryUikRegionCode": 77, "primaryUikNumber": 101}
        ballots = {"data": '["ballot"]', **here}
        Folder(root / "in" / "Выборы" / "№1").put(
            line("l", ms(-7200), "addVotersList", votersCount=300, **here),
            line("b", ms(-7100), "addVotersList", votersCount=20, primaryUikRegionCode=77, primaryUikNumber=102),
            line("o", ms(-1), "startVoting"), line("a", ms(9), "addVotersList", votersCount=5, **here),
            line("g", ms(10), "removeFromVotersList", votersCount=4, **here),
            line("r", ms(11), "addToVotersList", votersCount=1, **here),
            *[line(f"i{n}", ms(20 + n, hour=n % 2), "blindSigIssue", **ballots) for n in range(7)],
            *[vote(f"v{n}", ms(40 + n, hour=n % 2), f"k{n}") for n in range(6)],
        )  # fmt: skip
        update(settings, root / "in")
        invalid = root / "invalid.json"
        invalid.write_text('{"v1": "wrong proof", "v2": "wrong proof", "i1": "no vote"}')
        take_verdicts(settings, invalid, "A. Verifier", "anna")
        update(settings, root / "in")
        (election,) = rows(settings, "SELECT election_id FROM metrics.elections")["election_id"]
        published(settings, str(election), root / "out")
    return root / "out"


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("precinct_current", ["bulletins_issued", "restored_voters", "removed_voters"]),
        ("precinct_hourly_stats", ["bulletins_issued", "voters_restored", "voters_removed"]),
        ("constituency_registers", ["restored_voters", "removed_voters", "current_voters", "votes_cast",
                                    "rate_of_initial_register", "rate_of_current_register"]),
        ("verdicts", ["votes_found_invalid"]),
        ("verdict_hourly_stats", ["votes_found_invalid"]),
    ],
)  # fmt: skip
def test_figures_of_precincts_registers_and_verdicts_are_in_it_and_are_computed_again(
    told_apart: Path, tmp_path: Path, table: str, columns: list[str]
) -> None:
    assert not differences(told_apart)
    package = tmp_path / "copy"
    shutil.copytree(told_apart, package)
    file = parquet_of(package, table)
    sound = pq.read_table(file)
    for column in columns:
        values = sound[column].to_pylist()
        row = max(range(len(values)), key=lambda number: values[number] or 0)
        assert values[row] > 0, column
        values[row] += 1
        place = sound.schema.get_field_index(column)
        pq.write_table(sound.set_column(place, column, pa.array(values, sound.schema.field(column).type)), file)
        assert list(derived_differences(package)), column


def test_a_forged_figure_is_found_though_every_hash_fits(made: Path) -> None:
    hours = pq.read_table(parquet_of(made, "hourly_stats")).to_pandas()
    hours.loc[0, "votes_cast"] += 1
    rewrite(made, "hourly_stats", pa.Table.from_pandas(hours, preserve_index=False))
    seal(made)
    assert differences(made).keys() == {"sums", "figures", "page"}


def test_rows_that_repeat_are_lost_or_refer_to_nothing_are_found(tmp_path: Path, made: Path) -> None:
    hours = pq.read_table(parquet_of(made, "hourly_stats"))
    places = pq.read_table(parquet_of(made, "constituencies"))
    sources = pq.read_table(parquet_of(made, "sources"))
    for table, changed, check in (
        ("hourly_stats", pa.concat_tables([hours, hours.slice(0, 1)]), "keys"),
        ("hourly_stats", hours.slice(1), "figures"),
        ("constituencies", places.slice(1), "keys"),
        ("sources", pa.concat_tables([sources, sources.slice(0, 1)]), "keys"),
    ):  # fmt: skip
        forged = tmp_path / "forged"
        shutil.rmtree(forged, ignore_errors=True)
        shutil.copytree(made, forged)
        rewrite(forged, table, changed)
        seal(forged)
        assert check in differences(forged), (table, differences(forged))


@pytest.mark.parametrize("table", ["sources", "quarantine"])
def test_a_table_that_was_emptied_is_found(made: Path, table: str) -> None:
    rewrite(made, table, pq.read_table(parquet_of(made, table)).slice(0, 0))
    seal(made)
    assert table in differences(made)["figures"][0]


def test_a_page_that_shows_other_figures_is_found(made: Path) -> None:
    file = made / "page" / "answers.js"
    before, at, after = file.read_text("utf-8").partition('"dashboard":')
    file.write_text(before + at + after.replace('"votes_cast":13', '"votes_cast":14', 1), "utf-8")
    seal(made)
    assert "votes_cast is 14" in differences(made)["page"][0]


def test_a_page_whose_script_does_more_than_show_answers_is_found(made: Path) -> None:
    file = made / "page" / "answers.js"
    sound = file.read_text("utf-8")
    for forged in (
        sound.replace("globalThis.published = ", "globalThis.published = {}; var other = ", 1),
        f"{sound}alert(1);\n", sound.replace('"name":"', '"name":"x', 1),
    ):  # fmt: skip
        file.write_text(forged, "utf-8")
        seal(made)
        assert "page" in differences(made)
    file.write_text(sound, "utf-8")
    (made / "page" / "places" / "1.js").unlink()
    seal(made)
    assert differences(made)["page"] == ["it cannot be checked: page/places/1.js is missing"]


def test_the_code_of_the_page_is_that_of_the_release(made: Path) -> None:
    assert run_verify(Console(quiet=True), Console(quiet=True), made, None, None) == 0
    for name, text in (("index.html", "Turnout"), ("page/theme.js", "theme")):
        file = made / name
        sound = file.read_text("utf-8")
        file.write_text(sound.replace(text, "Other", 1), "utf-8")
        seal(made)
        told = Console(record=True, quiet=True)
        assert run_verify(told, Console(quiet=True), made, None, None) == 1
        file.write_text(sound, "utf-8")


def test_keys_are_those_of_the_code_whatever_the_descriptor_says(made: Path) -> None:
    sources = pq.read_table(parquet_of(made, "sources")).to_pandas()
    more = sources.iloc[[0]].assign(lines=7)
    rewrite(made, "sources", pa.Table.from_pandas(pd.concat([sources, more]), preserve_index=False))
    package = json.loads((made / "datapackage.json").read_text())
    (one,) = (one for one in package["resources"] if one["name"] == "sources")
    one["schema"]["primaryKey"] = ["number", "lines"]
    (made / "datapackage.json").write_text(json.dumps(package))
    seal(made)
    found = differences(made)
    assert "sources: number 1 is there 2 times" in found["keys"]
    assert any("says that its key is ['number', 'lines']" in one for one in found["descriptor"])


def test_a_constituency_that_was_left_out_is_found_in_the_exports(tmp_path: Path, made: Path) -> None:
    left_out = "F" + CONTRACT[1:]
    folder = Folder(tmp_path / "in" / REGION / ELECTION / "№9")
    folder.put(vote("m", ms(1), "m"), contract=left_out)
    Folder(tmp_path / "in" / REGION / "Другие" / "№1").put(vote("z", ms(1), "z"), contract="G" + CONTRACT[1:])
    (found,) = differences_against(made, tmp_path / "in")["exports"]
    assert left_out in found
    assert "the package does not have its constituency" in found


def test_exports_are_counted_again_whatever_the_environment_says(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "FIRST_HOUR": "2027-01-01", "TIME_ZONE": "Foo/Bar", "DATABASE_URL": "postgresql://nowhere/x",
        "DATABASE_ROLE": "nobody", "HOME": "/proc/none", "SOURCE": "/proc/none", "RESERVE_MB": "99999999",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"ELECTION_METRICS_{name}", value)
    assert differences_against(made, tmp_path / "in") == {}


def test_folders_above_the_election_are_nobodys_business(chosen: Settings, tmp_path: Path) -> None:
    """Also where files came from two folders that have nothing in common."""
    election = vote_with_everything(chosen, tmp_path / "in")
    other = tmp_path / "secret" / REGION / ELECTION / "№7"
    Folder(other).put(vote("t", ms(1), "t"), "broken", contract="F" + CONTRACT[1:])
    update(chosen, tmp_path / "secret")
    update(chosen, tmp_path / "in")
    published(chosen, election, tmp_path / "out")
    text = "".join(path.read_text("utf-8", "replace") for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert set(pd.read_csv(csv_of(tmp_path / "out", "sources"))["file"].str.split("/").str[0]) == {
        REGION,
        f"{OUT_OF_BOOK}_2026-09-18_1100-1200.csv",
    }


def test_a_signature_is_by_the_publisher_or_it_is_none(chosen: Settings, tmp_path: Path) -> None:
    election = vote_with_everything(chosen, tmp_path / "in")
    own, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    made, key = tmp_path / "out", tmp_path / "key.pem"
    key.write_bytes(own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    ))  # fmt: skip
    for passphrase, why in ((None, "has a passphrase"), ("wrong", "its passphrase is wrong")):
        with pytest.raises(SettingsError, match=why):
            read_key(key, passphrase)
    published(chosen, election, made, Wanted("CC0-1.0", "Анна", "https://example.org/x", read_key(key, "secret")))
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.write_bytes(public_pem(own))
    theirs.write_bytes(public_pem(other))
    assert differences(made) == differences(made, ours) == {}
    checked = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", ours, "-rawin", "-in", made / "SHA256SUMS"]
    if shutil.which("openssl"):
        assert subprocess.run([*checked, "-sigfile", made / "SHA256SUMS.sig"], check=False).returncode == 0
    assert "is no signature of" in differences(made, theirs)["signature"][0]
    seal(made)  # by a forger, without the key
    assert differences(made).keys() == {"signature"}
    (made / "SHA256SUMS.sig").unlink()
    assert "not signed" in differences(made, ours)["signature"][0]
    assert "signer.pem is there" in differences(made)["signature"][0]


def test_figures_that_are_behind_are_not_published(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.pipeline.file_landing import land

    election = vote_with_everything(chosen, tmp_path / "in")
    Folder(tmp_path / "in" / REGION / ELECTION / "№1").put(vote("z", ms(1), "z"), name="z")
    land(chosen, tmp_path / "in", "run")
    with pytest.raises(ElectionMetricsError, match=r"1 hour\(s\) of it wait to be computed"):
        published(chosen, election, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == []
    with pytest.raises(ElectionMetricsError, match="there is no election 'other'; election_id is one of: "):
        published(chosen, "other", tmp_path / "out")


def test_what_another_election_waits_for_is_in_nobodys_way(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.pipeline.file_landing import land

    election = vote_with_everything(chosen, tmp_path / "in")
    Folder(tmp_path / "in" / REGION / "Другие" / "№1").put(vote("z", ms(1, hour=9), "z"), contract="F" + CONTRACT[1:])
    land(chosen, tmp_path / "in", "run")
    published(chosen, election, tmp_path / "out")
    assert differences(tmp_path / "out") == {}


def test_the_history_keeps_what_was_published(chosen: Settings, tmp_path: Path, made: Path) -> None:
    moment = pd.Timestamp(json.loads((made / "datapackage.json").read_text())["known_at"])
    folder = Folder(tmp_path / "in" / REGION / ELECTION / "№1")
    for number in range(3):
        folder.put(vote(f"q{number}", ms(number), f"q{number}"), name=f"q{number}")
        update(chosen, tmp_path / "in")
    later = datetime.now(UTC) + timedelta(days=9)
    with transaction(chosen) as connection:
        thin_history(connection, later, later, dry_run=False)
    with transaction(chosen) as connection:
        connection.exec_driver_sql(f"SET LOCAL election_metrics.as_of = '{moment.isoformat()}'")
        (votes,) = connection.exec_driver_sql("SELECT sum(votes_cast) FROM as_of.hourly_stats").one()
    assert votes == 13
    kept = rows(chosen, "SELECT committed_at FROM history.commits WHERE is_kept ORDER BY 1")["committed_at"]
    assert len(kept) == 2
    assert kept.iloc[0] == moment


def test_publish_and_verify_as_commands(chosen: Settings, tmp_path: Path) -> None:
    election = vote_with_everything(chosen, tmp_path / "in")
    run = CliRunner().invoke
    made = run(main, ["publish", election, str(tmp_path / "out"), "--publisher", "[b]Union"])
    assert made.exit_code == 0, made.output
    assert "publisher [b]Union" in made.stderr
    assert "1 line(s) could not be read" in made.stderr
    again = run(main, ["publish", election, str(tmp_path / "out")])
    assert (again.exit_code, "exists already; name a new folder" in again.stderr) == (1, True)
    held = run(main, ["verify", str(tmp_path / "out")])
    assert held.exit_code == 0, held.output
    assert "Everything holds." in held.stdout
    (tmp_path / "out" / "README.md").write_text("changed")
    failed = run(main, ["verify", str(tmp_path / "out")])
    assert (failed.exit_code, "README.md has other bytes than" in failed.stdout) == (1, True)
    nothing = run(main, ["verify", str(tmp_path / "in")])
    assert (nothing.exit_code, "holds no package" in nothing.stderr) == (1, True)
