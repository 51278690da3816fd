"""The register told apart: at the opening, added, restored, removed; turnout of both registers."""

from pathlib import Path

from election_metrics.settings import Settings
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import OTHER, Folder, line, ms, vote


def test_the_register_is_told_apart_and_both_rates_are_named(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(
        line("first", ms(-600), "addVotersList", votersCount=40),
        line("second", ms(-500), "addVotersList", votersCount=10),
        line("early", ms(-400), "removeFromVotersList", votersCount=2),
        line("open", ms(0), "startVoting"),
        line("late", ms(1), "addVotersList", votersCount=5),
        line("back", ms(2), "addToVotersList", votersCount=3),
        line("gone", ms(3), "removeFromVotersList", votersCount=16),
        *[vote(f"v{number}", ms(5), f"key-{number}") for number in range(10)],
    )
    folder.put(vote("other", ms(5)), contract=OTHER)
    update(chosen, folder.root)
    found = rows(chosen, "SELECT * FROM metrics.constituency_registers ORDER BY constituency_id").astype(object)
    names = ["initial_voters", "added_voters", "restored_voters", "removed_voters", "current_voters", "votes_cast",
             "rate_of_initial_register", "rate_of_current_register"]  # fmt: skip
    assert found.loc[0, names].tolist() == [50, 5, 3, 18, 40, 10, 20.0, 25.0]
    unknown = found.loc[1, names]
    assert unknown["votes_cast"] == 1
    assert unknown.drop("votes_cast").isna().all()
