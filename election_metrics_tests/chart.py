"""What Dagster's own Helm chart makes of deploy/kubernetes/values.yaml, as far as the values reach: there is no Helm here."""

import re
from pathlib import Path
from typing import Any

import yaml

VALUES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "deploy" / "kubernetes" / "values.yaml").read_text("utf-8")
)
WEBSERVER_LABELS = {
    "app.kubernetes.io/name": "dagster",
    "app.kubernetes.io/instance": "dagster",
    "component": "dagster-webserver",
}
"""Of the webserver's pods, as the chart's templates for the release `dagster` have them."""
STORAGES = {
    "run_storage": "PostgresRunStorage",
    "event_log_storage": "PostgresEventLogStorage",
    "schedule_storage": "PostgresScheduleStorage",
}


def instance(values: dict[str, Any], release: str = "dagster", namespace: str = "votes") -> dict[str, Any]:
    """dagster.yaml, as the chart writes it into the ConfigMap `{release}-instance`."""
    daemon, launcher = values["dagsterDaemon"], values["runLauncher"]
    of_launcher = _snake(launcher["config"]["k8sRunLauncher"], deep=False)
    of_launcher["run_k8s_config"] = _snake(of_launcher["run_k8s_config"], deep=False)
    database = values["postgresql"]
    url = {
        "hostname": database["postgresqlHost"],
        "username": database["postgresqlUsername"],
        "db_name": database["postgresqlDatabase"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "port": database.get("service", {}).get("port", 5432),
        "scheme": database["postgresqlScheme"],
        "params": database.get("postgresqlParams", {}),
    }
    retention = {name: _snake(said) for name, said in values["retention"].items() if name != "enabled"}
    return {
        **{name: {"module": "dagster_postgres", "class": of, "config": {"postgres_db": url}} for name, of in STORAGES.items()},
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": daemon["runCoordinator"]["type"],
            "config": _snake(daemon["runCoordinator"]["config"]["queuedRunCoordinator"]),
        },
        "run_launcher": {
            "module": "dagster_k8s",
            "class": launcher["type"],
            "config": {
                **of_launcher,
                "load_incluster_config": True,
                "job_namespace": namespace,
                "service_account_name": release,
                "dagster_home": "/opt/dagster/dagster_home",
                "instance_config_map": f"{release}-instance",
                "postgres_password_secret": values["global"]["postgresqlSecretName"],
            },
        },
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": values["computeLogManager"]["type"],
        },
        "run_monitoring": _snake(daemon["runMonitoring"]),
        "run_retries": _snake(daemon["runRetries"]),
        "sensors": _snake(daemon["sensors"]),
        "schedules": _snake(daemon["schedules"]),
        "retention": retention,
        "telemetry": values["telemetry"],
    }  # fmt: skip


def container_context(location: dict[str, Any], release: str = "dagster", namespace: str = "votes") -> dict[str, Any]:
    """What a code location's server says of the pods of its runs, with includeConfigInLaunchedRuns."""
    assert location["includeConfigInLaunchedRuns"]["enabled"]
    assert not {"sidecarContainers", "initContainers"} & location.keys()  # a run's pod would get them as well
    return {
        "k8s": {
            "image_pull_policy": location["image"]["pullPolicy"],
            "env_config_maps": [
                f"{release}-{location['name']}-user-env",
                *(one["name"] for one in location["envConfigMaps"]),
            ],
            "env_secrets": [one["name"] for one in location["envSecrets"]],
            "volumes": location["volumes"],
            "volume_mounts": location["volumeMounts"],
            "resources": location["resources"],
            "namespace": namespace,
            "service_account_name": f"{release}-user-deployments",
        }
    }


def _snake(said: Any, *, deep: bool = True) -> Any:
    if isinstance(said, dict):
        return {
            re.sub("(?<!^)(?=[A-Z])", "_", name).lower(): _snake(one) if deep else one for name, one in said.items()
        }
    return [_snake(one) for one in said] if isinstance(said, list) else said
