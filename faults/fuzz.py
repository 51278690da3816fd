"""`make fuzz`: coverage-guided fuzzing of the SQL reader against a reference in plain Python.

The fuzzer observes which branches of the reference an input reaches, and mutates the inputs that reach new ones. Each
input is a file of lines; if the two readers differ in any line, the input is stored and printed.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["election_metrics_tests.reference"]):
    from election_metrics_tests import reference  # noqa: F401 first imported here, so that its branches are instrumented

from election_metrics.lake.connect import connect
from election_metrics.settings import read_settings
from election_metrics_tests.exports import issue, line, ms, rollback, vote
from election_metrics_tests.lake.staging import difference

SEEDS = [
    vote("a", ms(1)), issue("b", ms(2)), issue("c", ms(2), '[{"userId":"u"},2]'), rollback("d"),
    line("e", ms(3), "addVotersList", votersCount=7), line("f", ms(3), "removeFromVotersList", userIdHashes='["x","y"]'),
    line("g", ms(4), "vote", "s", [{"key": "FAIL_s_g_vote", "stringValue": '{"reason":"late"}'}]), line("h", ms(5), "new"),
    "i;103;;;1789718400000;s;0;;[];[];{};", 'j;104;;3;1,78972E+12;s;0;;"[{""key"":""operation""}]";[];{};',
]  # fmt: skip
WORDS = (
    ";", "\\x0a", "\\x0d\\x0a", "103", "104", "-1", "vote", "blindSigIssue", "addVotersList", "addToVotersList",
    "removeFromVotersList", "createContract", "operation", "data", "votersCount", "userIdHashes", "FAIL", "VOTE_",
    '{\\"key\\":\\"', '\\"stringValue\\":\\"', '\\"intValue\\":', "null", '\\"[', "E+", "[]", "{}", "\\\\u0041", "1789718400000",
    "\\xef\\xbb\\xbf", "\\xff",
)  # fmt: skip


def main() -> None:
    """Fuzzes for the given time; exits with an error at the first difference."""
    parser = argparse.ArgumentParser(prog="python -m faults.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="duration (default 60)")
    parser.add_argument("--inputs", type=int, default=-1, help="maximum number of inputs (default: no limit)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the fuzzer (default 1)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="election-metrics-fuzz-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(SEEDS):
            (corpus / str(number)).write_bytes(seed.encode() + b"\n")
        (folder / "words").write_text("".join(f'"{word}"\n' for word in WORDS), "utf-8")
        _fuzz(folder, corpus, chosen.seconds, chosen.inputs, chosen.seed)


def _fuzz(folder: Path, corpus: Path, seconds: int, inputs: int, seed: int) -> None:
    settings = read_settings(home=folder, threads=1)
    engine = connect(settings)

    def one(content: bytes) -> None:
        if mismatch := difference(engine, settings, folder, content):
            raise AssertionError(f"{content!r}: {mismatch}")

    arguments = [f"-max_total_time={seconds}", f"-runs={inputs}", f"-seed={seed}", f"-dict={folder / 'words'}", "-max_len=4000",
                 f"-artifact_prefix={folder}/", "-print_final_stats=1"]  # fmt: skip
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
