"""Executors and launchers that are settings: their files are held to the schemas of those who read them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_postgres
import pytest
import yaml
from dagster_celery import celery_executor
from dagster_celery.launcher import CeleryRunLauncher
from dagster_k8s import K8sRunLauncher, k8s_job_executor
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client

from election_metrics.assets.op_tags import FRAMES, SCANS
from election_metrics.automation.executors import executor
from election_metrics.definitions import defs
from election_metrics.errors import SettingsError
from election_metrics.settings import Settings, read_settings
from election_metrics_tests import chart

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
OURS = yaml.safe_load((ROOT / "election_metrics" / "runtime" / "dagster.yaml").read_text("utf-8"))


def refuse(schema: Any, config: object) -> None:
    """Raises what Dagster says of a configuration that the schema refuses."""

    @dg.op(config_schema=schema)
    def reads() -> None: ...

    job = dg.GraphDefinition(name="any_job", node_defs=[reads]).to_job()
    dg.validate_run_config(job, {"ops": {"reads": {"config": config}}})


def steps() -> dict[str, dict[str, Any]]:
    jobs = [defs.resolve_job_def(name) for name in ("update_metrics_job", "reconciliation_job", "maintenance_job")]
    return {node.name: node.definition.tags for job in jobs for node in job.nodes}


@pytest.mark.parametrize("place", ["celery", "kubernetes"])
def test_dagsters_instance_differs_from_ours_in_its_launcher_only(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "POD_NAMESPACE", "DAGSTER_CURRENT_IMAGE"):
        monkeypatch.setenv(name, "x")
    theirs = yaml.safe_load((DEPLOY / place / "dagster.yaml").read_text("utf-8"))
    launcher, logs = theirs.pop("run_launcher"), theirs.pop("compute_logs", None)
    assert theirs == {name: said for name, said in OURS.items() if name not in ("run_launcher", "compute_logs")}
    assert (logs == OURS["compute_logs"]) == (place == "celery")
    schema = {"CeleryRunLauncher": CeleryRunLauncher, "K8sRunLauncher": K8sRunLauncher}[launcher["class"]].config_type()
    refuse(schema, launcher["config"])
    with pytest.raises(dg.DagsterInvalidConfigError, match="job_imagee"):
        refuse(schema, {**launcher["config"], "job_imagee": "x"})


def test_the_charts_values_make_an_instance_that_differs_from_ours_in_what_dagsters_images_have_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "x")
    theirs = chart.instance(chart.VALUES)
    launcher = theirs.pop("run_launcher")
    assert theirs.pop("compute_logs")["class"] == "NoOpComputeLogManager"
    for storage in chart.STORAGES:
        refuse(getattr(dagster_postgres, theirs[storage]["class"]).config_type(), theirs.pop(storage)["config"])
    runs = theirs.pop("run_coordinator")
    theirs["concurrency"] = {"runs": {name: runs["config"].pop(name) for name in OURS["concurrency"]["runs"]}}
    assert runs["config"] == OURS["run_coordinator"]["config"]
    assert runs["class"] == "QueuedRunCoordinator"
    assert theirs == {name: said for name, said in OURS.items() if name in theirs}
    lacking = {"storage", "run_coordinator", "run_launcher", "nux", "compute_logs", "local_artifact_storage"}
    assert OURS.keys() - theirs == lacking
    refuse(K8sRunLauncher.config_type(), launcher["config"])


def test_the_charts_code_location_and_the_runs_it_starts_are_of_kubernetes_own_schema() -> None:
    (location,) = chart.VALUES["dagster-user-deployments"]["deployments"]
    context = chart.container_context(location)
    run = K8sContainerContext.create_from_config(context).run_k8s_config
    assert run.container_config["resources"] == SCANS["dagster-k8s/config"]["container_config"]["resources"]
    with pytest.raises(dg.DagsterInvalidConfigError, match="resourcess"):
        K8sContainerContext.create_from_config({"k8s": {**context["k8s"], "resourcess": {}}})
    of_all_runs = chart.instance(chart.VALUES)["run_launcher"]["config"]
    for model, said in (
        (client.V1PodSecurityContext, location["podSecurityContext"]),
        (client.V1SecurityContext, location["securityContext"]),
    ):
        k8s_model_from_dict(model, k8s_snake_case_dict(model, said))
    assert of_all_runs["run_k8s_config"]["pod_spec_config"]["securityContext"]["runAsNonRoot"]
    assert of_all_runs["security_context"]["allowPrivilegeEscalation"] is False


def test_every_manifest_is_of_kubernetes_own_schema() -> None:
    manifests = [
        manifest
        for name in ("settings", "observatory", "page")
        for manifest in yaml.safe_load_all((DEPLOY / "kubernetes" / f"{name}.yaml").read_text("utf-8"))
    ]
    assert len(manifests) == 9
    for manifest in manifests:
        model = getattr(client, f"V1{manifest['kind']}")
        k8s_model_from_dict(model, k8s_snake_case_dict(model, manifest))
    image = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert "\nENTRYPOINT" not in image  # what Kubernetes and Dagster give as arguments are whole commands
    (location,) = chart.VALUES["dagster-user-deployments"]["deployments"]
    for pod in [one["spec"]["template"]["spec"] for one in manifests if one["kind"] == "Deployment"]:
        assert pod["securityContext"]["runAsNonRoot"]
        assert f"uid {pod['securityContext']['runAsUser']} " in image
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["image"] == f"{location['image']['repository']}:{location['image']['tag']}"
            with pytest.raises(Exception, match="imagee"):
                k8s_snake_case_dict(client.V1Container, {**container, "imagee": "x"})
    observatory = next(
        one for one in manifests if one["metadata"]["name"] == "election-metrics" and one["kind"] == "Deployment"
    )
    (container,) = observatory["spec"]["template"]["spec"]["containers"]
    assert {"name": "DAGSTER_CURRENT_IMAGE", "value": container["image"]} in container["env"]


def test_of_the_cluster_only_the_page_reaches_a_webserver_that_asks_nobody_who_they_are() -> None:
    manifests = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "page.yaml").read_text("utf-8")))
    (page,) = (one for one in manifests if one["kind"] == "Deployment")
    (policy,) = (one["spec"] for one in manifests if one["kind"] == "NetworkPolicy")
    assert policy["podSelector"]["matchLabels"].items() <= chart.WEBSERVER_LABELS.items()
    assert policy["policyTypes"] == ["Ingress"]
    ((reaches,),) = (rule["from"] for rule in policy["ingress"])
    assert reaches == {"podSelector": {"matchLabels": page["spec"]["template"]["metadata"]["labels"]}}
    assert chart.VALUES["dagsterWebserver"]["service"]["type"] == "ClusterIP"
    assert chart.VALUES["ingress"]["enabled"] is False


def test_every_step_says_what_it_needs_and_a_run_gets_what_its_largest_step_needs() -> None:
    needs = {name: json.loads(tags["dagster-k8s/config"]) for name, tags in steps().items()}
    assert all(need in (SCANS["dagster-k8s/config"], FRAMES["dagster-k8s/config"]) for need in needs.values())
    assert needs["landed_files"] == needs["hourly_stats"] == SCANS["dagster-k8s/config"]
    launcher = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text("utf-8"))["run_launcher"]["config"]
    assert launcher["resources"] == SCANS["dagster-k8s/config"]["container_config"]["resources"]


def test_an_executor_is_a_setting_that_its_schema_checks(tmp_path: Path) -> None:
    def chosen(name: str, text: str | None = None) -> Settings:
        (tmp_path / "executor.yaml").write_text(text or "", "utf-8")
        config = None if text is None else tmp_path / "executor.yaml"
        return read_settings(home=tmp_path, executor=name, executor_config=config)

    assert executor(chosen("in_process")) is dg.in_process_executor
    assert executor(chosen("kubernetes")) is k8s_job_executor
    assert executor(chosen("celery", "execution: {config: {broker: 'redis://host'}}")).name == celery_executor.name
    for text, reason in (
        ("execution: {config: {brokr: x}}", r"executor\.yaml: .*brokr"),
        ("execution: {}", "has no `execution: config:`"),
        ("- 1", "has no `execution: config:`"),
        ("{", "cannot be read"),
    ):
        with pytest.raises(SettingsError, match=f"(?s){reason}"):
            executor(chosen("celery", text))
    with pytest.raises(SettingsError, match="cannot be read"):
        executor(read_settings(home=tmp_path, executor="celery", executor_config=tmp_path / "not there"))


@pytest.mark.parametrize(("name", "module"), [("kubernetes", "dagster_k8s"), ("celery", "dagster_celery")])
def test_without_the_extra_a_sentence_says_what_to_install(
    name: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError, match=rf"pip install 'election-metrics\[{name}\]'"):
        executor(read_settings(home=tmp_path, executor=name))


def test_nothing_of_them_is_imported_where_they_are_not_asked_for() -> None:
    code = "import sys, election_metrics.definitions; print([n for n in ('celery', 'kubernetes', 'dagster_k8s') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
