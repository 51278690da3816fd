"""What every asset needs to run: its settings, its progress, and errors that Dagster shows in words."""

import contextlib
import re
from collections.abc import Iterator

import dagster as dg

from election_metrics.errors import DataError, ElectionMetricsError, TransientError
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings

# No concurrency pool: a run that was killed keeps its slot until a daemon frees it, and a command line's next run
# would wait for it for ever. Writers are serialised by advisory locks, which end with their connection.
# Only transient errors get here: `translate_errors` forbids retries of all others.
RETRY = dg.RetryPolicy(max_retries=4, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

SettingsResource = dg.ResourceParam[Settings]


class Progress:
    """Where assets report how far they are; the command line draws bars, a daemon's run needs nothing."""

    def of(self, label: str, unit: str) -> Report | None:  # noqa: ARG002 subclasses use them
        """A function of (done, in all), or None where nobody watches."""
        return None


ProgressResource = dg.ResourceParam[Progress]


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Lets transient errors be retried; anything else fails at once, with its sentence in the UI."""
    import duckdb

    try:
        yield
    except TransientError:
        raise
    except duckdb.Error as error:
        if (lost := _LOST.search(str(error))) is not None:
            reason = (
                f"{lost['part']} is in no lake: its folder was moved or is not mounted, or it is lost or damaged. "
                "Bring it back, or have its files read again: election-metrics reland --from HOUR --to HOUR"
            )
            raise dg.Failure(reason, metadata={"kind": "lake", "reason": reason}, allow_retries=False) from error
        if not isinstance(error, duckdb.IOException):
            raise _unexpected(error) from error
        raise TransientError(f"the lake could not be read or written: {error}") from error
    except OSError as error:
        raise TransientError(f"a file could not be read or written: {error}") from error
    except ElectionMetricsError as error:
        kind = "data" if isinstance(error, DataError) else "configuration"
        raise dg.Failure(str(error), metadata={"kind": kind, "reason": str(error)}, allow_retries=False) from error
    except dg.Failure:
        raise
    except Exception as error:
        raise _unexpected(error) from error


_LOST = re.compile(
    r"(No files found that match the pattern|No magic bytes found at end of file|Footer length error in file|File)"
    r""" ['"](?P<part>[^'"]+[.]parquet)['"]"""
)


def _unexpected(error: Exception) -> dg.Failure:
    reason = f"{type(error).__name__}: {error}"
    return dg.Failure(f"unexpected: {reason}", metadata={"reason": reason}, allow_retries=False)


def engine_metadata(said: dict[str, str]) -> dict[str, dg.MetadataValue | str]:
    """What an engine says of itself, with its pages as links: a Spark application, its page, its log."""
    kinds = {"spark_ui": dg.MetadataValue.url, "spark_log": dg.MetadataValue.path}
    return {name: kinds[name](text) if name in kinds else text for name, text in said.items()}
