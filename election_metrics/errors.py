"""The errors of this project: each message says what is wrong, where, and what to do.

Nothing else belongs here. `ElectionMetricsError` is what the command line turns into one sentence.
"""


class ElectionMetricsError(Exception):
    """Base of every error that a user can do something about."""


class SettingsError(ElectionMetricsError):
    """A setting is missing or wrong; the message names its environment variable."""


class SourceError(ElectionMetricsError):
    """Transactions cannot be read from where they should be; the message names the path."""


class DataError(ElectionMetricsError):
    """The input itself is wrong (a file and line is named); trying again does not help."""


class WarehouseError(ElectionMetricsError):
    """PostgreSQL cannot be reached or is not in the expected state."""


class TransientError(ElectionMetricsError):
    """Something outside was away for a moment; trying again may help."""
