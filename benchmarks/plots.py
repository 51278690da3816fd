"""`make plots`: the charts of the docs."""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

from election_metrics.metrics.anomalies.rules import find_anomalies
from election_metrics_tests.published import evidence_until, national

MOSCOW = "Europe/Moscow"
_COLORS = {"critical": "#d62728", "warning": "#ff7f0e", "info": "#1f77b4"}


def plot_national(out: Path) -> None:
    """Draws the national series by hour, and the findings of the rules."""
    mpl.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "election-metrics", "svg.fonttype": "none"})
    series = national()
    found = find_anomalies(evidence_until(series, series["hour"].max() + pd.Timedelta(hours=1)), {})
    hours = series["hour"].dt.tz_convert(MOSCOW).dt.tz_localize(None)
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, height_ratios=(2, 1))
    above.step(hours, series["bulletins_issued"], where="post", label="bulletins issued", color="#1f77b4")
    above.step(hours, series["votes_cast"], where="post", label="votes cast", color="#2ca02c")
    above.set_yscale("log")
    above.set_ylabel("an hour")
    gap = (1 - series["votes_cast"] / series["bulletins_issued"].where(series["bulletins_issued"] > 0)) * 100
    below.step(hours, gap.clip(-100, 100), where="post", color="#555555")
    below.axhline(15, color="#bbbbbb", linestyle="--", linewidth=1)
    below.set_ylabel("gap of the hour, %")
    below.set_xlabel("Moscow time; 18 to 20 September 2026")
    for row in found.itertuples():
        start, end = (
            pd.Timestamp(number * 3600, unit="s", tz="UTC").tz_convert(MOSCOW).tz_localize(None)
            for number in (row.window_start, row.window_end)
        )
        for axes in (above, below):
            axes.axvspan(start, end, color=_COLORS[row.severity], alpha=0.25, linewidth=0)
        above.annotate(f"{row.rule}: {row.explanation.split(':')[0]}", (end, 300), xytext=(4, 0),
                       textcoords="offset points", fontsize=8, color=_COLORS[row.severity])  # fmt: skip
    above.legend(loc="upper right", fontsize=8)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def plot_ratios(measured: Path, out: Path) -> None:
    """Draws all ratios of `make bench` on one logarithmic axis; left of the line the pipeline is faster."""
    mpl.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "election-metrics", "svg.fonttype": "none"})
    rows = [row for row in json.loads(measured.read_text("utf-8"))["rows"] if row["ratio"] is not None]
    labels = [f"{row['what']} / {row['against']}" for row in rows]
    ratios = [row["ratio"] for row in rows]
    figure, axes = plt.subplots(figsize=(9, 0.28 * len(rows) + 1))
    spread = [[row["ratio"] - row["lowest"] for row in rows], [row["highest"] - row["ratio"] for row in rows]]
    axes.barh(
        labels, [ratio - 1 for ratio in ratios], left=1, color=["#2ca02c" if r <= 1 else "#1f77b4" for r in ratios]
    )
    axes.errorbar(ratios, labels, xerr=spread, fmt="none", ecolor="#333333", elinewidth=1)
    axes.set_xscale("log")
    axes.axvline(1, color="#333333", linewidth=1)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("seconds of ours / seconds of the other", fontsize=8)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    images = Path(sys.argv[1])
    plot_national(images / "national.svg")
    plot_ratios(images.parent / "performance.json", images / "performance.svg")
