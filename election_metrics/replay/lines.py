"""Lines of an export: what transactions of each kind look like."""

from dataclasses import dataclass

from election_metrics.replay.random_texts import RandomTexts

GARBAGE = ("not a transaction at all", "1;2;3;4;5;6;7;8;9;10;11", "id;104;sig;3;abc;key;0;;[];[];{};",
           "id;104;sig;3;1789000000000;key;0;;[{broken;[];{};", "")  # fmt: skip
"""Lines that are no transactions."""


@dataclass
class Line:
    """A transaction: its id, its line, its time in epoch milliseconds."""

    transaction_id: str
    text: str
    ms: int


class Lines:
    """Makes the lines of one constituency."""

    def __init__(self, random: RandomTexts) -> None:
        self.random = random
        self.registrar = random.ids(1)[0]

    def line(self, ms: int, sender: str, params: str, diff: str, kind: int = 104, identity: str | None = None) -> Line:
        """A transaction with these fields; `identity` is its id, else a random one."""
        name = identity or self.random.ids(1)[0]
        signature = self.random.ids(1, 88)[0]
        return Line(name, f"{name};{kind};{signature};3;{ms};{sender};0;;{params};{diff};{{}};\n", ms)

    @staticmethod
    def precinct(region: int, number: int) -> str:
        """The pairs that name a precinct, for the end of the params."""
        return (
            f',{{"key":"primaryUikRegionCode","intValue":{region}}}'
            f',{{"key":"primaryUikNumber","stringValue":"{number}"}}'
        )

    def call(self, ms: int, operation: str, more: str = "") -> Line:
        """A call of the registrar, which succeeds."""
        params = f'[{{"key":"operation","stringValue":"{operation}"}}{more}]'
        return self.line(ms, self.registrar, params, f'[{{"key":"STATE_{operation}","boolValue":true}}]')

    def issue(self, ms: int, precinct: str, *, fails: bool = False) -> Line:
        """A call that issues a bulletin to a voter of a precinct (see `precinct`)."""
        random = self.random
        data = f'[{{\\"userId\\":\\"{random.user()}\\",\\"maskedSig\\":\\"{random.hex(512)}\\"}}]'
        params = (
            f'[{{"key":"operation","stringValue":"blindSigIssue"}},{{"key":"data","stringValue":"{data}"}}{precinct}]'
        )
        name = random.ids(1)[0]
        diff = f'[{{"key":"FAIL_{name}_blindSig","stringValue":"{{\\"reason\\":\\"voter not found\\"}}"}}]'
        if not fails:
            diff = f'[{{"key":"BLINDSIG_{name}","stringValue":"{random.hex(512)}"}}]'
        return self.line(ms, self.registrar, params, diff, identity=name)

    def vote(self, ms: int, sender: str, outcome: str = "cast") -> Line:
        """A vote; its outcome is cast, rejected or unknown."""
        random = self.random
        size = 1100 + int(random.rng.integers(0, 3000) + random.rng.integers(0, 3000))
        params = (
            f'[{{"key":"operation","stringValue":"vote"}},{{"key":"vote","binaryValue":"base64:{random.base64(size)}"}},'
            f'{{"key":"blindSig","binaryValue":"base64:{random.base64(684)}"}}]'
        )
        name = random.ids(1)[0]
        diff = {
            "cast": f'[{{"key":"VOTE_{sender}","stringValue":"{name}"}}]',
            "rejected": f'[{{"key":"FAIL_{sender}_{name}_vote","stringValue":"signature is not valid"}}]',
            "unknown": "[]",
        }[outcome]
        return self.line(ms, sender, params, diff, identity=name)


def rollback(transaction_id: str) -> str:
    """A line that withdraws a transaction; its other fields are not valid."""
    return f"{transaction_id};104;;3;;;0;;{{not json;;;-1\n"
