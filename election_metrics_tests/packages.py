"""Packages for tests: a vote with everything that makes figures hard, published."""

from pathlib import Path

import sqlalchemy as sa

from election_metrics.pipeline.packages.checking import check_package, checked
from election_metrics.pipeline.packages.descriptor import Edition, read_edition
from election_metrics.pipeline.packages.recounting import Recount, own_warehouse
from election_metrics.pipeline.packages.writing import Package, Wanted, write_package
from election_metrics.pipeline.withdrawal import withdraw
from election_metrics.settings import Settings
from election_metrics_tests.archived import zipped
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import Folder, issue, line, ms, rollback, vote

REGION = "90 - Пермский край"
ELECTION = """=HYPERLINK("x"), <b>Выборы</b> & "co; | *"""
OUT_OF_BOOK = "CsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
SILENT = "DsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
PACKED = "EsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"


def vote_with_everything(settings: Settings, source: Path) -> str:
    """Lands and computes a vote: late, withdrawn, packed and unreadable input, corrections, hostile names.

    Returns:
        Its election_id.
    """
    here = Folder(source / REGION / ELECTION / '-1+1 "№1", <i>')
    here.put(
        line("r", ms(0), "addVotersList", votersCount=140), *[issue(f"i{n}", ms(n)) for n in range(9)],
        *[vote(f"v{n}", ms(n), f"k{n}") for n in range(7)], "rubbish", rollback("i8"),
    )  # fmt: skip
    here.put(issue("j", ms(3, hour=2)), vote("w", ms(4, hour=2), "k0"), name="2026-09-18_1300-1400")
    silent = Folder(source / REGION / ELECTION / "№2")
    silent.put(line("s", ms(0), "addVotersList", votersCount=7), contract=SILENT)
    lost = Folder(source / "nowhere" / ELECTION)
    lost.put(*[issue(f"o{n}", ms(n, hour=1)) for n in range(3)], contract=OUT_OF_BOOK)
    packed = {f"{PACKED}_2026-09-18_1100-1200.csv": "\n".join(vote(f"p{n}", ms(n)) for n in range(5)).encode()}
    (source / REGION / ELECTION / "all.zip").write_bytes(zipped(packed))
    update(settings, source)
    wrong = here.put(vote("x", ms(5), "k8"), vote("y", ms(5, hour=1), "k9"), name="2026-09-18_1200-1300")
    here.put(vote("late", ms(6), "late"), name="late")
    update(settings, source)
    withdraw(settings, str(wrong), "anna", "a test")
    update(settings, source)
    update(settings, source)
    (election,) = rows(settings, "SELECT election_id FROM metrics.elections")["election_id"]
    return str(election)


def published(settings: Settings, election: str, folder: Path, wanted: Wanted | None = None) -> Package:
    """The package of an election, with its page."""
    from election_metrics.api.published import write_pages

    def pages(connection: sa.Connection, edition: Edition, work: Path) -> None:
        write_pages(settings, connection, edition, work, lambda *_: lambda *_: None)

    wanted = wanted or Wanted("CC-BY-4.0", "Observers' Union")
    return write_package(settings, election, folder, wanted, pages, lambda *_: lambda *_: None)


def differences(folder: Path, key: Path | None = None) -> dict[str, list[str]]:
    """What `verify` finds, by check; empty if everything holds."""
    return {check.name: list(check.differences) for check in check_package(folder, key) if not check.holds}


def differences_against(folder: Path, exports: Path) -> dict[str, list[str]]:
    """What `verify --against` finds beside that."""
    with own_warehouse(read_edition(folder)[0].first_hour) as settings:
        recount = Recount(settings, folder, exports)
        recount.land(lambda *_: lambda *_: None)
        checks = [
            checked("exports", "", recount.file_differences()),
            checked("recount", "", recount.figure_differences(lambda *_: lambda *_: None)),
        ]
    return {check.name: list(check.differences) for check in checks if not check.holds}
