"""Null-safe ratios."""

import pandas as pd


def percent(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Part / whole * 100 as nullable floats; NA where the whole is 0 or not known. Never clamped."""
    numerator, denominator = part.astype("Float64"), whole.astype("Float64")
    return numerator * 100 / denominator.where(denominator != 0)


def running_rates(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Rates of running_bulletins and running_votes, in percent of registered_voters and of each other, by column."""
    bulletins, votes = frame["running_bulletins"], frame["running_votes"]
    return {
        "running_participation_rate": percent(votes, frame["registered_voters"]),
        "running_issue_rate": percent(bulletins, frame["registered_voters"]),
        "running_gap_rate": percent(bulletins - votes, bulletins),
    }


def per(amount: pd.Series, divisor: pd.Series) -> pd.Series:
    """Amount / divisor as nullable floats; NA where the divisor is 0 or not known."""
    denominator = divisor.astype("Float64")
    return amount.astype("Float64") / denominator.where(denominator != 0)
