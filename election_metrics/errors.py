"""The errors of this project: each message says what is wrong, where, and what to do.

Nothing else belongs here. `ElectionMetricsError` is what the command line turns into one sentence.
"""


class ElectionMetricsError(Exception):
    """Base of every error that a user can act on."""


class SettingsError(ElectionMetricsError):
    """A setting is missing or wrong; the message names its environment variable."""


class SourceError(ElectionMetricsError):
    """Transactions cannot be read from where they should be; the message names the path."""


class DataError(ElectionMetricsError):
    """The input is invalid; the message names file and line. A retry does not help."""


class WarehouseError(ElectionMetricsError):
    """PostgreSQL cannot be reached or is not in the expected state."""


class TransientError(ElectionMetricsError):
    """A transient failure of the database, the file system or an object store; a retry may help."""
