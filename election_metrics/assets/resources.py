"""Resources of the assets: settings and progress; and the translation of errors into Dagster failures."""

import contextlib
import re
from collections.abc import Iterator

import dagster as dg

from election_metrics.errors import DataError, ElectionMetricsError, TransientError
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings

# No concurrency pool: a killed run keeps its slot until a daemon frees it, and the next run of the command line would
# wait forever. Writers are serialised by advisory locks, which end with their connection.
# The policy applies to transient errors only: `translate_errors` forbids retries of all others.
RETRY = dg.RetryPolicy(max_retries=4, delay=1, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

SettingsResource = dg.ResourceParam[Settings]


class Progress:
    """Receives progress reports of assets; the command line draws bars, runs of the daemon ignore them."""

    def of(self, label: str, unit: str) -> Report | None:  # noqa: ARG002 subclasses use them
        """A function of (done, total), or None if progress is not shown."""
        return None


ProgressResource = dg.ResourceParam[Progress]


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
    """Lets transient errors be retried; any other error fails the step at once, with its message in the UI."""
    import duckdb

    try:
        yield
    except TransientError:
        raise
    except duckdb.Error as error:
        if (lost := _LOST.search(str(error))) is not None:
            reason = (
                f"{lost['part']} is missing from the lake: its folder was moved or is not mounted, or it is lost or "
                "damaged. Bring it back, or reload its files: election-metrics reland --from HOUR --to HOUR"
            )
            raise dg.Failure(reason, metadata={"kind": "lake", "reason": reason}, allow_retries=False) from error
        if not isinstance(error, duckdb.IOException) and _STORE.search(str(error)) is None:
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


_STORE = re.compile(r"^\s*(OSError|TimeoutError|\w*(Connect|Timeout)\w*Error): ", re.MULTILINE)
"""The end of a traceback that DuckDB passes on from an object store that is busy or away."""
_LOST = re.compile(
    r"(No files found that match the pattern|No magic bytes found at end of file|Footer length error in file|File)"
    r""" ['"](?P<part>[^'"]+[.]parquet)['"]"""
)


def _unexpected(error: Exception) -> dg.Failure:
    reason = f"{type(error).__name__}: {error}"
    return dg.Failure(f"unexpected: {reason}", metadata={"reason": reason}, allow_retries=False)


def engine_metadata(values: dict[str, str]) -> dict[str, dg.MetadataValue | str]:
    """An engine's metadata, with links: a Spark application, its page, its log."""
    kinds = {"spark_ui": dg.MetadataValue.url, "spark_log": dg.MetadataValue.path}
    return {name: kinds[name](text) if name in kinds else text for name, text in values.items()}
