"""The Dagster UI's process: `python -m election_metrics.runtime.webserver HOST PORT WORKSPACE [--read-only]`.

The same as Dagster's command, behind access control (`ui_access`).
"""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
from dagster._core.workspace.permissions import PermissionResult, Permissions
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from election_metrics.runtime.ui_access import MOST_BYTES, Rules, UiDoor, rules_of
from election_metrics.settings import read_settings
from election_metrics.web.patience import Patience

# As in Dagster's command.
_STATEMENT_MILLISECONDS = 15_000
_RECYCLE_SECONDS = 3600
_MOST_CONNECTIONS = 20
_LOOK_EVERY_MILLISECONDS = 2000

_STOP_WITHIN = 3
_NO_REPORTS = PermissionResult(
    enabled=False, disabled_reason="Set ELECTION_METRICS_UI_REPORTS=true to let people report what no run has done"
)


class _WithoutReports(WorkspaceRequestContext):
    """Permissions of a request: Dagster's, without reporting materializations that no run made."""

    @property
    def permissions(self) -> Mapping[str, PermissionResult]:
        return {**super().permissions, Permissions.REPORT_RUNLESS_ASSET_EVENTS: _NO_REPORTS}

    def permissions_for_location(self, *, location_name: str) -> Mapping[str, PermissionResult]:
        known = super().permissions_for_location(location_name=location_name)
        return {**known, Permissions.REPORT_RUNLESS_ASSET_EVENTS: _NO_REPORTS}


class _Workspace(WorkspaceProcessContext):
    """Dagster's workspace, whose requests may not report materializations."""

    def create_request_context(self, source: object | None = None) -> WorkspaceRequestContext:
        return _WithoutReports(
            instance=self._instance, current_workspace=self.get_current_workspace(), process_context=self,
            version=self.version, source=source, read_only=self._read_only,
        )  # fmt: skip


def serve(host: str, port: int, workspace: str, *, read_only: bool) -> None:
    """Serves until told to stop.

    Raises:
        SettingsError: the address can be reached from other machines, and has no login.
    """
    rules = rules_of(read_settings(), host, read_only=read_only)
    configure_loggers(log_level="INFO")
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_MILLISECONDS, _RECYCLE_SECONDS, _MOST_CONNECTIONS)
        with behind_the_door(instance, WorkspaceFileTarget([workspace]), rules, read_only=read_only) as app:
            uvicorn.run(
                app, host=host, port=port, http=Patience, log_level="warning", access_log=False, server_header=False,
                timeout_graceful_shutdown=_STOP_WITHIN, ws_max_size=MOST_BYTES,
            )  # fmt: skip


@contextlib.contextmanager
def behind_the_door(
    instance: dg.DagsterInstance, target: WorkspaceLoadTarget, rules: Rules, *, read_only: bool
) -> Iterator[UiDoor]:
    """Dagster's application for these code locations, behind access control."""
    kind = WorkspaceProcessContext if rules.takes_reports else _Workspace
    with kind(instance, version=__version__, read_only=read_only, workspace_load_target=target) as context:
        yield UiDoor(
            create_app_from_workspace_process_context(context, live_data_poll_rate=_LOOK_EVERY_MILLISECONDS), rules
        )


if __name__ == "__main__":
    logging.captureWarnings(capture=True)
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], read_only="--read-only" in sys.argv[4:])
