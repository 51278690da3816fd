"""Requests a run from Dagster's webserver by GraphQL, as its UI does; the webserver is warm already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tenacity

from election_metrics.clock import hour_of
from election_metrics.errors import ElectionMetricsError, TransientError
from election_metrics.pipeline.run_tags import JOB, TRIGGER, WHO, range_tags, run_tags
from election_metrics.settings import Settings

_LAUNCH = """
mutation Launch($run: ExecutionParams!) {
    launchRun(executionParams: $run) {
        __typename
        ... on LaunchRunSuccess { run { runId } }
        ... on PythonError { message }
        ... on UnauthorizedError { message }
    }
}"""
_UNDER_WAY = """
query UnderWay($filter: RunsFilter!) {
    runsOrError(filter: $filter, limit: 1) { ... on Runs { results { runId } } }
    repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } jobs { name } } } }
}"""
_NOT_ENDED = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED"]
_SECONDS = 20
_REFUSALS = (401, 403, 421)  # their bodies are sentences that say what to set


class _LoadingError(TransientError):
    """Dagster's webserver has not loaded its code location yet."""


@dataclass(frozen=True)
class Asked:
    """A requested run.

    Attributes:
        run_id: its id.
        is_new: false if the same run was requested before, and is in progress.
    """

    run_id: str
    is_new: bool


def hours_to_refresh(
    first: datetime | None, last: datetime | None, now: datetime, most: int
) -> tuple[datetime, datetime]:
    """The hours (UTC, both inclusive) to compute: the requested ones, else the current hour and the one before.

    Raises:
        ElectionMetricsError: they are not whole hours, not a range, too many, or in the future.
    """
    present = hour_of(now.astimezone(UTC))
    last = last or (first + timedelta(hours=1) if first else present)
    first = first or last - timedelta(hours=1)
    for hour in (first, last):
        if hour.minute or hour.second or hour.microsecond:
            raise ElectionMetricsError(f"{hour.isoformat()} is not a whole hour")
    if first > last:
        raise ElectionMetricsError("`from` is after `to`")
    if last > present + timedelta(hours=24):
        raise ElectionMetricsError(f"`to` is in the future; it is {now.isoformat(timespec='seconds')} now")
    if (last - first) // timedelta(hours=1) + 1 > most:
        raise ElectionMetricsError(
            f"a run covers at most {most} hours; request fewer, or use election-metrics backfill"
        )
    return first, last


# While the code location restarts, the webserver has none for a few seconds, or one that does not answer.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(_LoadingError),
    stop=tenacity.stop_after_delay(_SECONDS),
    wait=tenacity.wait_fixed(0.5),
    reraise=True,
)
def ask_for_run(settings: Settings, first: datetime, last: datetime, who: str) -> Asked:
    """Requests a run that lands new input and computes these hours, or finds an unfinished one that does so.

    Raises:
        TransientError: the webserver does not answer, or does not launch it.
    """
    alike = [{"key": key, "value": value} for key, value in {TRIGGER: "refresh", **range_tags(first, last)}.items()]
    found = _graphql(settings, _UNDER_WAY, filter={"pipelineName": JOB, "statuses": _NOT_ENDED, "tags": alike})
    for run in found["runsOrError"].get("results", []):
        return Asked(run["runId"], is_new=False)
    tags = run_tags("refresh", f"asked for by {who} through the API", (first, last))
    selector = _where_the_job_is(found["repositoriesOrError"].get("nodes", []))
    who_tag = {"key": WHO, "value": who}
    metadata = {"tags": [who_tag, *[{"key": key, "value": value} for key, value in tags.items()]]}
    run = {"selector": selector, "executionMetadata": metadata, "runConfigData": {}}
    launched = _graphql(settings, _LAUNCH, run=run)["launchRun"]
    if launched["__typename"] != "LaunchRunSuccess":
        why = launched.get("message", launched["__typename"])
        kind = _LoadingError if "UserCodeUnreachable" in why else TransientError
        raise kind(f"Dagster did not launch the run: {why}")
    return Asked(launched["run"]["runId"], is_new=True)


def _where_the_job_is(repositories: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The selector of the job for GraphQL; the name of the code location depends on the workspace."""
    for one in repositories:
        if any(job["name"] == JOB for job in one["jobs"]):
            location = one["location"]["name"]
            return {"repositoryLocationName": location, "repositoryName": one["name"], "jobName": JOB}
    raise _LoadingError(f"Dagster's webserver has loaded no code location with {JOB}")


def _graphql(settings: Settings, query: str, **variables: object) -> Any:
    address = (settings.api_webserver or settings.ui_url).rstrip("/")
    try:
        answer = requests.post(
            f"{address}/graphql", json={"query": query, "variables": variables}, headers=_shown(settings),
            timeout=_SECONDS, allow_redirects=False,
        )  # fmt: skip
        if answer.status_code in _REFUSALS:
            raise TransientError(f"Dagster's webserver at {address} refused the request: {answer.text.strip()}")
        reply = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        if not reply:
            answer.raise_for_status()
    except (requests.RequestException, ValueError) as error:
        raise TransientError(
            f"Dagster's webserver at {address} does not answer ({type(error).__name__}); does `up` run?"
        ) from None
    if reply.get("errors"):
        raise TransientError(f"Dagster's webserver refused the request: {reply['errors'][0].get('message')}")
    return reply["data"]


def _shown(settings: Settings) -> dict[str, str]:
    token = settings.ui_token
    return {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
