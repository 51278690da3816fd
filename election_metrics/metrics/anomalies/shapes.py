"""Shapes of votes by hour since 08:00 of the opening day, by which later hours are expected from earlier ones."""

import numpy as np

Shape = np.ndarray
"""Relative votes of each hour since 08:00 local time of the opening day; only ratios between hours matter."""

_DAY = 24

PUBLISHED_2026: Shape = np.array(
    [
        1632549, 1339946, 1021614, 674375, 515277, 416888, 342172, 289683, 325545, 266016, 224605, 189034,
        135811, 103670, 60545, 31694, 15920, 8012, 6329, 8680, 17792, 30690, 53479, 76496,
        112989, 153341, 145872, 162201, 121895, 98009, 85712, 75225, 69593, 65514, 61405, 55822,
        44207, 36233, 26070, 16332, 9577, 5524, 3917, 5067, 10558, 18476, 33945, 54419,
        79749, 108621, 107959, 96669, 90841, 92281, 92309, 72711, 59761, 59247, 46605, 43980,
    ],
    dtype="float64",
)  # fmt: skip
"""The vote of 18 to 20 September 2026, 08:00 to 20:00 Moscow time, of the whole country.

From MIT-licensed open data of a public map of the on-line vote, read from the blockchain. It is one curve of one vote,
so it says how hours follow one another, never how many votes there will be.
"""


def expected_shares(shape: Shape, index: np.ndarray) -> np.ndarray:
    """The shape at each index; before the opening 0, after its end the last day again.

    Args:
        shape: votes by hour.
        index: hours since 08:00 of the opening day; NaN where not known.
    """
    length = len(shape)
    if length == 0:
        return np.zeros(index.shape)
    known = np.nan_to_num(index, nan=-1.0).astype("int64")
    beyond = known >= length
    last_day = max(length - _DAY, 0)
    folded = np.where(beyond, last_day + (known - last_day) % min(_DAY, length), known)
    shares: np.ndarray = np.where(folded >= 0, shape[np.maximum(folded, 0)], 0.0)
    return shares
