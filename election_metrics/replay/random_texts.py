"""Random texts of a seed: ids, signatures, keys."""

import numpy as np

from election_metrics.replay.votings import BASE58

_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", dtype=np.uint8)
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


class RandomTexts:
    """Fast random texts: long ones are cut from a pool, ids are drawn each time."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        pool = 1 << 21
        self._base64 = bytes(_BASE64[self.rng.integers(0, 64, pool)]).decode()
        self._hex = bytes(_HEX[self.rng.integers(0, 16, pool)]).decode()

    def ids(self, count: int, length: int = 44) -> list[str]:
        """Ids in base58."""
        drawn = bytes(BASE58[self.rng.integers(0, 58, count * length, dtype=np.uint8)]).decode()
        return [drawn[at : at + length] for at in range(0, count * length, length)]

    def base64(self, length: int) -> str:
        """Characters of base64."""
        at = int(self.rng.integers(0, len(self._base64) - length))
        return self._base64[at : at + length]

    def hex(self, length: int) -> str:
        """Hexadecimal digits."""
        at = int(self.rng.integers(0, len(self._hex) - length))
        return self._hex[at : at + length]

    def user(self) -> str:
        """A voter's id; its end is drawn each time, so that ids are unique."""
        return f"{self.hex(48)}{int(self.rng.integers(0, 2**63)):016x}"

    def chance(self, rate: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < rate)
