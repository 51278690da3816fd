"""Small charts for the Dagster UI: an election's turnout by hour, with its findings.

They are SVG, a few KB each. A plotting library would add its import time to each run, and ten times as many bytes as
all other metadata of a run.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from html import escape

import dagster as dg

from election_metrics.sanitize import escape_markdown

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 240, 64, 16, 34, 30
_VOTES, _BULLETINS, _WRONG, _INK = "#0072b2", "#e69f00", "#d55e00", "#5f6b7a"  # safe for colour-blind readers
_MOST_POINTS = 400


def turnout_curve(
    title: str,
    hours: Sequence[tuple[datetime, int, int]],
    findings: Sequence[tuple[datetime, datetime, str]] = (),
) -> dg.MarkdownMetadataValue:
    """A chart of bulletins and votes by hour.

    Args:
        title: its title.
        hours: (start in UTC, bulletins issued, votes cast), in order; the last 400 are drawn.
        findings: (start, end, rule) of each finding to mark.
    """
    shown = list(hours)[-_MOST_POINTS:]
    if not shown:
        return dg.MetadataValue.md("no hour has transactions yet")
    picture = base64.b64encode(_draw(title, shown, findings).encode()).decode()
    return dg.MetadataValue.md(f"![{escape_markdown(title)}](data:image/svg+xml;base64,{picture})")


def _draw(
    title: str, hours: Sequence[tuple[datetime, int, int]], findings: Sequence[tuple[datetime, datetime, str]]
) -> str:
    first, last = hours[0][0].timestamp(), hours[-1][0].timestamp() + 3600
    most = max(1, *(max(bulletins, votes) for _, bulletins, votes in hours))
    floor = _HEIGHT - _BOTTOM

    def x(moment: float) -> float:
        part = (min(max(moment, first), last) - first) / (last - first)
        return round(_LEFT + part * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(count: int) -> float:
        return round(floor - count / most * (floor - _TOP), 1)

    def line(column: int, colour: str, width: float) -> str:
        steps = " ".join(
            f"{x(row[0].timestamp())},{y(row[column])} {x(row[0].timestamp() + 3600)},{y(row[column])}"  # type: ignore[arg-type]
            for row in hours
        )
        return f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    marks = [
        f'<rect x="{x(start.timestamp())}" y="{_TOP}" width="{max(2.0, x(end.timestamp()) - x(start.timestamp()))}" '
        f'height="{floor - _TOP}" fill="{_WRONG}" opacity=".18"><title>{escape(rule)}</title></rect>'
        for start, end, rule in findings
    ]
    text = f'font-family="sans-serif" font-size="12" fill="{_INK}"'
    labels = [
        f'<text x="{_LEFT}" y="16" {text} font-weight="bold">{escape(title[:90])}</text>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" {text} text-anchor="end">{most:,}</text>',
        f'<text x="{_LEFT - 6}" y="{floor}" {text} text-anchor="end">0</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 10}" {text}>{hours[0][0]:%Y-%m-%d %H:%M} UTC</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 10}" {text} text-anchor="end">{hours[-1][0]:%Y-%m-%d %H:%M}</text>',
        f'<text x="{_WIDTH / 2 - 60}" y="{_HEIGHT - 10}" {text}>'
        f'<tspan fill="{_BULLETINS}">bulletins</tspan> <tspan fill="{_VOTES}">votes</tspan>'
        f' <tspan fill="{_WRONG}">{"findings" if marks else ""}</tspan></text>',
    ]
    axis = f'<path d="M{_LEFT} {_TOP}V{floor}H{_WIDTH - _RIGHT}" fill="none" stroke="{_INK}" stroke-width=".7"/>'
    body = "".join([*marks, axis, line(1, _BULLETINS, 1.6), line(2, _VOTES, 1.6), *labels])
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}">{body}</svg>'
