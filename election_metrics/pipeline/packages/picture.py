"""The picture that social networks show with a link: an election or a constituency at a glance, 1200 x 630 points."""

import io
import textwrap
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 1200, 630
_DOTS = 100
_PAPER, _INK, _QUIET, _VOTES, _RULE = "#fcfbf8", "#1b1f24", "#59626d", "#0f5fa6", "#d9d6cf"
_FONT = "DejaVu Sans"
_LETTERS = 45


@dataclass(frozen=True)
class Glance:
    """What a picture says.

    Attributes:
        name: of the election or constituency.
        place: what stands above it: the election of a constituency; None: nothing.
        rate: turnout in percent; None: not known.
        votes: votes cast.
        voters: registered voters; None: not known.
        known_at: the time of the figures.
        is_incomplete: whether input is missing.
        hours: votes of each hour, in order.
    """

    name: str
    place: str | None
    rate: float | None
    votes: int
    voters: int | None
    known_at: datetime
    is_incomplete: bool
    hours: tuple[int, ...]


def draw(glance: Glance) -> bytes:
    """The picture, as PNG; the same glance gives the same bytes."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(WIDTH / _DOTS, HEIGHT / _DOTS), dpi=_DOTS, facecolor=_PAPER)

    def write(y: float, text: str, size: int, colour: str = _INK, weight: str = "normal") -> None:
        # Names are untrusted: $ would begin a formula.
        figure.text(0.06, y, text, size=size, color=colour, weight=weight, va="top", family=_FONT, parse_math=False)

    if glance.place:
        write(0.95, _lines(glance.place, 1), 18, _QUIET)
    write(0.89, _lines(glance.name, 2), 24, weight="bold")
    write(0.73, "–" if glance.rate is None else f"{glance.rate:.2f} %", 68, _VOTES, "bold")
    of = "" if glance.voters is None else f" of {glance.voters:,} registered"
    write(0.53, f"turnout: {glance.votes:,} votes{of}", 24)
    missing = "   Input is missing: the figures are too low." if glance.is_incomplete else ""
    write(0.09, f"As known at {glance.known_at:%Y-%m-%d %H:%M} UTC.{missing}", 18, _QUIET)
    axes = figure.add_axes((0.06, 0.13, 0.88, 0.29), facecolor=_PAPER)
    axes.bar(range(len(glance.hours)), glance.hours, width=0.92, color=_VOTES)
    axes.set_xlim(-0.6, max(len(glance.hours), 1) - 0.4)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": "election-metrics"})
    return out.getvalue()


def _lines(text: str, most: int) -> str:
    """The text in so many lines at the most, in letters that the picture's font has."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont(_FONT)).get_charmap()
    shown = "".join(one if one.isprintable() else " " for one in text)
    shown = "".join(one if ord(one) in known else "\ufffd" for one in shown)
    return "\n".join(textwrap.wrap(shown, _LETTERS, max_lines=most, placeholder=" …"))
