"""Periods: local, and sums of their hours."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election_metrics.counts import NAMES as COUNTS
from election_metrics.metrics.constituency import compare, constituency_metrics
from election_metrics.metrics.coverage import coverage, delivered_hours, missing_input
from election_metrics.metrics.election import participation_extremes, summarise
from election_metrics.metrics.registry import election_id


def hourly(votes: list[tuple[str, int]], constituency: str = "c") -> pd.DataFrame:
    frame = pd.DataFrame({"hour": pd.to_datetime([hour for hour, _ in votes], utc=True)})
    for count in COUNTS:
        frame[count] = [number for _, number in votes]
    return frame.assign(
        election_id="e", constituency_id=constituency, registered_voters=100,
        first_transaction_at=frame["hour"], last_transaction_at=frame["hour"],
    )  # fmt: skip


def metrics(frame: pd.DataFrame, zone: str, since: pd.Timestamp | None = None) -> pd.DataFrame:
    ids = frame["constituency_id"].unique()
    return constituency_metrics(frame, pd.Series(zone, index=ids), pd.Series(100, index=ids), since)


def starts(frame: pd.DataFrame, period: str) -> list[str]:
    chosen = frame[frame["period"] == period].sort_values("period_start")
    return [f"{start:%Y-%m-%dT%H}" for start in chosen["period_start"]]


def test_a_day_begins_at_midnight_in_the_constituencys_time_zone() -> None:
    frame = metrics(hourly([("2026-09-18T20:00Z", 1), ("2026-09-18T21:00Z", 2)]), "Europe/Moscow")
    assert starts(frame, "day") == ["2026-09-17T21", "2026-09-18T21"]
    assert starts(frame, "week") == ["2026-09-13T21"]
    assert starts(frame, "month") == ["2026-08-31T21"]
    assert starts(frame, "election") == ["2026-09-18T20"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-10-25", 25),
        ("Europe/Berlin", "2026-03-29", 23),
        ("America/Havana", "2026-03-08", 23),  # the clocks skip midnight itself
        ("Asia/Beirut", "2026-03-29", 23),
    ],
)
def test_a_day_is_the_sum_of_its_hours_also_when_the_clocks_change(zone: str, day: str, hours: int) -> None:
    around = pd.date_range(f"{day}T00:00", periods=72, freq="h", tz="UTC") - pd.Timedelta(hours=24)
    frame = metrics(hourly([(hour.isoformat(), 1) for hour in around]), zone)
    days = frame[frame["period"] == "day"]
    local = days["period_start"].dt.tz_convert(zone).dt.strftime("%Y-%m-%d")
    assert days.loc[local == day, "votes_cast"].tolist() == [hours]
    assert days["votes_cast"].sum() == 72


def test_averages_count_silent_hours_and_the_peak_is_the_first_of_equals() -> None:
    frame = metrics(hourly([("2026-09-18T05:00Z", 3), ("2026-09-18T08:00Z", 3), ("2026-09-18T09:00Z", 0)]), "UTC")
    day = frame[frame["period"] == "day"].iloc[0]
    assert (day["voting_hours"], day["average_votes_per_hour"]) == (4, 1.5)
    assert (day["peak_hour"], day["peak_votes"]) == (pd.Timestamp("2026-09-18T05:00Z"), 3)


def test_a_constituency_without_ballots_has_no_average_no_peak_and_no_gap_rate() -> None:
    day = metrics(hourly([("2026-09-18T05:00Z", 0)]), "UTC").iloc[0]
    assert day["voting_hours"] == 0
    assert day[["average_votes_per_hour", "peak_hour", "peak_votes", "gap_rate", "anomaly_score"]].isna().all()


def test_running_totals_end_in_the_total() -> None:
    frame = metrics(hourly([("2026-09-18T05:00Z", 3), ("2026-09-19T08:00Z", 4)]), "UTC")
    assert frame[frame["period"] == "day"]["running_votes"].tolist() == [3, 7]
    assert frame[frame["period"] == "election"]["running_participation_rate"].tolist() == [7.0]


counts = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 50)), min_size=1, max_size=30, unique_by=lambda x: x[0])


@given(counts, counts, st.sampled_from(["UTC", "Europe/Moscow", "Asia/Kamchatka", "America/New_York", "Asia/Kolkata"]))
@settings(max_examples=15)
def test_periods_of_disjoint_constituencies_do_not_touch_each_other(one, other, zone) -> None:
    start = pd.Timestamp("2026-10-20", tz="UTC")
    frames = [
        hourly([((start + pd.Timedelta(hours=h)).isoformat(), n) for h, n in rows], name)
        for name, rows in (("a", one), ("b", other))
    ]
    together = metrics(pd.concat(frames, ignore_index=True), zone)
    apart = pd.concat([metrics(frame, zone) for frame in frames], ignore_index=True)
    key = ["constituency_id", "period", "period_start"]
    pd.testing.assert_frame_equal(
        together.sort_values(key).reset_index(drop=True), apart.sort_values(key).reset_index(drop=True)
    )
    sums = together.groupby(["constituency_id", "period"])["votes_cast"].sum().unstack()
    assert (sums.nunique(axis=1) == 1).all()


def spans(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["constituency_id", "starts_at", "ends_at"])
    for column in ("starts_at", "ends_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    return frame.assign(by_interval=True)


def test_coverage_counts_each_hour_once_and_expects_only_what_is_over() -> None:
    voting = spans(("a", "2026-09-18T05:00", "2026-09-18T15:00"), ("b", "2026-09-18T05:00", "2026-09-18T15:00"))
    files = spans(
        ("a", "2026-09-18T05:00", "2026-09-18T06:00"), ("a", "2026-09-18T05:00", "2026-09-18T08:00"),
        ("a", "2026-09-18T07:00", "2026-09-18T08:00"), ("b", "2026-09-18T14:00", "2026-09-19T09:00"),
    )  # fmt: skip
    for now, expected, delivered in (("2026-09-18T10:30Z", 10, 3), ("2026-09-19T10:30Z", 20, 4)):
        found = coverage(voting.assign(region=None), files, pd.Timestamp(now))
        assert (len(found), found["is_delivered"].sum()) == (expected, delivered)
    missing = missing_input(coverage(voting.assign(region=None), files, pd.Timestamp("2026-09-18T10:30Z")))
    assert missing[["constituency_id", "missing_from", "missing_to", "hours"]].values.tolist() == [
        ["a", pd.Timestamp("2026-09-18T08:00Z"), pd.Timestamp("2026-09-18T10:00Z"), 2],
        ["b", pd.Timestamp("2026-09-18T05:00Z"), pd.Timestamp("2026-09-18T10:00Z"), 5],
    ]
    assert coverage(spans().assign(region=None), files, pd.Timestamp("2026-09-19T10:30Z")).empty


def test_without_voting_times_expected_is_what_most_others_of_the_region_delivered() -> None:
    voting = pd.DataFrame({"constituency_id": list("abcd"), "region": ["r", "r", "r", "s"]})
    voting = voting.assign(starts_at=pd.Series(pd.NaT, dtype="datetime64[us, UTC]"), ends_at=pd.NaT)
    files = spans(("a", "2026-09-18T05:00", "2026-09-18T08:00"), ("b", "2026-09-18T05:00", "2026-09-18T07:00"))
    found = coverage(voting, files, pd.Timestamp("2026-09-18T10:30Z"))
    assert missing_input(found)[["constituency_id", "hours", "reason"]].values.tolist() == [["c", 2, "region"]]
    assert not len(found[found["constituency_id"] == "d"])


def test_an_election_whose_reporting_constituency_has_no_register_has_no_rate() -> None:
    frame = metrics(
        pd.concat([hourly([("2026-09-18T05:00Z", 3)], "a"), hourly([("2026-09-18T05:00Z", 0)], "b")]), "UTC"
    )
    known = spans(("a", "2026-09-18T05:00", "2026-09-18T15:00"), ("b", "2026-09-18T05:00", "2026-09-18T15:00"))
    totals = frame[frame["period"] == "election"]
    hours = frame[frame["period"] == "hour"].rename(columns={"period_start": "hour"})
    rates = []
    for registers in ([None, 10], [10, None]):
        registered = known.assign(registered_voters=pd.array(registers, dtype="Int64"))
        expected = coverage(registered.assign(region=None), spans(), pd.Timestamp("2026-09-19", tz="UTC"))
        row = summarise(pd.Series("e", index=["a", "b"]), totals, hours.assign(group="e"), registered, expected).loc[
            "e"
        ]
        rates.append(row["participation_rate"])
        assert (row["constituencies_reporting"], row["constituencies_silent"]) == (1, 1)
    assert pd.isna(rates[0])
    assert rates[1] == 30


def test_an_elections_id_is_readable_and_the_same_wherever_it_is_named_so() -> None:
    assert election_id("Выборы депутатов  Думы") == election_id("Выборы депутатов Думы")
    assert election_id("Выборы депутатов Думы").startswith("vybory-deputatov-dumy-")
    assert election_id("Выборы 1") != election_id("Выборы 2")
    assert election_id("選挙")


@given(counts)
@settings(max_examples=25)
def test_the_trend_is_the_slope_of_the_least_squares_line_with_silent_hours_as_zeros(rows) -> None:
    start = pd.Timestamp("2026-10-20", tz="UTC")
    frame = metrics(hourly([((start + pd.Timedelta(hours=h)).isoformat(), n) for h, n in rows]), "UTC")
    trend = frame.loc[frame["period"] == "election", "vote_trend"].iloc[0]
    voted = {h: n for h, n in rows if n}
    if len(voted) < 2:
        assert pd.isna(trend)
        return
    place = np.arange(min(voted), max(voted) + 1)
    slope = np.polyfit(place, [voted.get(int(h), 0) for h in place], 1)[0]
    assert trend == pytest.approx(slope, abs=1e-9)


def test_the_pattern_has_24_local_hours_and_an_hour_that_comes_twice_counts_twice() -> None:
    hours = pd.date_range("2026-10-24T22:00Z", "2026-10-25T22:00Z", freq="h", inclusive="left")
    frame = metrics(hourly([(hour.isoformat(), 1) for hour in hours]), "Europe/Berlin")
    pattern = frame.loc[frame["period"] == "day", "activity_pattern"].iloc[0].strip("{}").split(",")
    assert [int(votes) for votes in pattern] == [1, 1, 2, *[1] * 20, 0]
    assert frame.loc[frame["period"] == "hour", "activity_pattern"].isna().all()


def test_constituencies_are_compared_over_the_hours_given_by_the_same_arithmetic_as_a_period() -> None:
    both = pd.concat(
        [hourly([("2026-09-18T05:00Z", 3), ("2026-09-18T06:00Z", 5)], "a"), hourly([("2026-09-18T05:00Z", 9)], "b")]
    )
    register = {("a", 5): 50, ("a", 6): 100}  # it grew between the hours; that of b is not known
    keys = zip(both["constituency_id"], pd.to_datetime(both["hour"]).dt.hour, strict=True)
    both["registered_voters"] = pd.array([register.get(key) for key in keys], dtype="Int64")
    zones = pd.Series({"a": "UTC", "b": "UTC"})
    compared = compare(both, zones)
    first = compare(both[pd.to_datetime(both["hour"]).dt.hour == 5], zones).set_index("constituency_id")
    assert (compared.iloc[1]["participation_rate"], first.loc["a", "participation_rate"]) == (8.0, 6.0)
    assert compared["constituency_id"].tolist() == ["b", "a"]
    assert compared["participation_rate"].isna().tolist() == [True, False]
    whole = metrics(both[both["constituency_id"] == "a"], "UTC")
    whole = whole[whole["period"] == "election"].iloc[0]
    for column in ("votes_cast", "gap_rate", "average_votes_per_hour", "vote_trend", "peak_hour", "activity_pattern"):
        assert compared.iloc[1][column] == whole[column], column


@given(counts, counts)
@settings(max_examples=10)
def test_a_summary_of_disjoint_constituencies_adds_up(one, other) -> None:
    start = pd.Timestamp("2026-10-20", tz="UTC")
    hours = pd.concat(
        [
            hourly([((start + pd.Timedelta(hours=h)).isoformat(), n) for h, n in rows], name)
            for name, rows in (("a", one), ("b", other))
        ],
        ignore_index=True,
    )
    frame = metrics(hours, "UTC")
    totals = frame[frame["period"] == "election"]
    known = spans(("a", "2026-10-20T00:00", "2026-10-21T00:00"), ("b", "2026-10-20T00:00", "2026-10-21T00:00"))
    known = known.assign(registered_voters=pd.array([100, 100], dtype="Int64"), region=["r", "s"])
    expected = coverage(known, spans(), pd.Timestamp("2026-10-22", tz="UTC"))
    parts = summarise(pd.Series({"a": "r", "b": "s"}), totals, hours, known, expected)
    whole = summarise(pd.Series("e", index=["a", "b"]), totals, hours, known, expected).loc["e"]
    for column in ("votes_cast", "gap", "registered_voters", "constituencies_total", "constituencies_silent",
                   "hours_expected", "hours_delivered", "transaction_count"):  # fmt: skip
        assert parts[column].sum() == whole[column], column
    assert whole["peak_votes"] is pd.NA or whole["peak_votes"] >= parts["peak_votes"].max()


def test_only_constituencies_with_100_voters_or_more_are_ranked_the_silent_ones_too() -> None:
    totals = pd.DataFrame({"constituency_id": list("abc"), "registered_voters": pd.array([99, 100, 200], dtype="Int64"),
                           "votes_cast": [99, 50, 150], "participation_rate": [100.0, 50.0, 75.0]})  # fmt: skip
    ranked = participation_extremes(totals.iloc[:2], totals)
    assert ranked[["side", "rank", "constituency_id"]].values.tolist() == [
        ["leading", 1, "b"], ["leading", 2, "c"], ["trailing", 1, "c"], ["trailing", 2, "b"],
    ]  # fmt: skip


def test_a_row_of_the_neighbouring_hour_makes_no_hour_delivered_and_half_hours_take_two_files() -> None:
    files = spans(
        ("a", "2026-09-18T05:00", "2026-09-18T06:00"), ("a", "2026-09-18T07:00", "2026-09-18T08:00"),
        ("k", "2026-09-18T04:30", "2026-09-18T05:30"), ("k", "2026-09-18T05:30", "2026-09-18T06:30"),
    )  # fmt: skip
    dump = spans(("d", "2026-09-18T05:10", "2026-09-18T07:20")).assign(by_interval=False)
    present = int(pd.Timestamp("2026-09-19T00:00Z").timestamp()) // 3600

    def hours(constituency: str, *, whole: bool) -> list[int]:
        found = delivered_hours(pd.concat([files, dump]), present, whole_hours_only=whole)
        return sorted(found.loc[found["constituency_id"] == constituency, "hour_number"] % 24)

    assert hours("a", whole=True) == [5, 7]
    assert hours("k", whole=True) == [5]
    assert hours("d", whole=True) == [5, 6]
    assert hours("d", whole=False) == [5, 6, 7]


def test_while_nobody_says_when_voting_ends_four_days_are_expected_and_then_what_is_delivered() -> None:
    voting = spans(("a", "2026-09-18T05:00", None), ("b", "2026-09-18T05:00", None)).assign(region=None)
    files = spans(("b", "2026-09-18T05:00", "2026-09-18T06:00"))
    assert len(coverage(voting, files, pd.Timestamp("2026-09-18T10:30Z"))) == 2 * 5
    assert len(coverage(voting, files, pd.Timestamp("2026-11-18T10:30Z"))) == 2 * 96
    later = spans(("b", "2026-09-18T05:00", "2026-09-24T05:00"))
    assert len(coverage(voting, later, pd.Timestamp("2026-11-18T10:30Z"))) == 2 * 144


@given(st.lists(st.tuples(st.integers(0, 90 * 24), st.integers(0, 9)), min_size=1, max_size=40, unique_by=lambda row: row[0]),
       st.integers(0, 90 * 24), st.sampled_from(["UTC", "Asia/Kamchatka", "America/New_York", "Pacific/Apia", "Antarctica/Troll"]))  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_since_an_hour_are_the_same_rows_and_all_that_it_can_change(rows, since, zone) -> None:
    """Rows that may change have their figures; all others are as they would be without the later hours' change."""
    start = pd.Timestamp("2026-10-20", tz="UTC")
    hours = hourly([((start + pd.Timedelta(hours=h)).isoformat(), n) for h, n in sorted(rows)], "a")
    moment = start + pd.Timedelta(hours=since)
    key = ["period", "period_start"]

    def keyed(frame: pd.DataFrame) -> pd.DataFrame:
        plain = frame.astype(object).where(frame.notna(), None)
        return plain.set_index(key).sort_index()

    whole, part = (keyed(metrics(hours, zone, moment if is_part else None)) for is_part in (False, True))
    assert part.index.isin(whole.index).all()
    pd.testing.assert_frame_equal(whole.loc[part.index], part[list(whole.columns)])
    # Whatever happens to the hours from then on, the rows that are left out stay.
    before = hours[hours["hour"] < moment]
    left_out = whole[~whole.index.isin(part.index)]
    if len(before):
        pd.testing.assert_frame_equal(keyed(metrics(before, zone)).loc[left_out.index], left_out)
