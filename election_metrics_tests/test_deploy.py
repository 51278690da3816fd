"""The files of deploy/ name settings, commands and ports that exist."""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.errors import SettingsError
from election_metrics.runtime.ui_access import rules_of
from election_metrics.settings import Settings
from election_metrics_tests.api.conftest import serve

DEPLOY = Path(__file__).parents[1] / "deploy"
VARIABLES = {f"ELECTION_METRICS_{name.upper()}" for name in Settings.model_fields}


def test_every_setting_that_is_named_exists() -> None:
    for file in filter(Path.is_file, DEPLOY.rglob("*")):
        assert set(re.findall(r"\bELECTION_METRICS_[A-Z_]+", file.read_text("utf-8"))) <= VARIABLES, file


def test_the_dagster_yaml_of_the_root_is_the_packages() -> None:
    package = DEPLOY.parent / "election_metrics" / "runtime" / "dagster.yaml"
    assert (DEPLOY.parent / "dagster.yaml").read_text("utf-8") == package.read_text("utf-8")


def test_the_commands_that_are_started_exist() -> None:
    text = CliRunner().invoke(main, ["up", "--help"]).output
    unit = (DEPLOY / "election-metrics.service").read_text("utf-8")
    image = (DEPLOY / "Dockerfile").read_text("utf-8")
    for option in set(re.findall(r"--[a-z-]+", re.findall(r"ExecStart=.*", unit)[0] + re.findall(r"CMD .*", image)[0])):
        assert option in text
    for copied in re.findall(r"^COPY (.*) \S+$", image, re.MULTILINE):
        assert all((DEPLOY.parent / name).exists() for name in copied.split())


def test_the_compose_file_shows_the_operators_ui_on_this_machine_only() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    services = compose["services"]
    assert services["observatory"]["depends_on"]["database"]["condition"] == "service_healthy"
    ports = services["observatory"]["ports"]
    assert [port for port in ports if port.endswith(":3000")] == ["127.0.0.1:3000:3000"]
    assert "ports" not in services["database"]
    named = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert {name for name in named if "$" not in name} == set(compose["volumes"])


def environments() -> dict[str, dict[str, str]]:
    """What the containers get that run `up` beyond loopback: settings as they are set; of secrets, that they must be."""
    command = re.findall(r"CMD \[(.*)\]", (DEPLOY / "Dockerfile").read_text("utf-8"))[0]
    assert '"up", "--host", "0.0.0.0"' in command, "what is asked here is what the image runs"
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["observatory"]
    assert "command" not in compose
    folder = DEPLOY / "kubernetes"
    (settings,) = yaml.safe_load_all((folder / "settings.yaml").read_text("utf-8"))
    (pod,) = (
        one["spec"]["template"]["spec"]
        for one in yaml.safe_load_all((folder / "observatory.yaml").read_text("utf-8"))
        if one["kind"] == "Deployment"
    )
    (container,) = pod["containers"]
    assert "args" not in container
    required = {
        one["name"]: "${must be set:?}"
        for one in container["env"]
        if "secretKeyRef" in one.get("valueFrom", {}) and not one["valueFrom"]["secretKeyRef"].get("optional")
    }
    return {"compose": compose["environment"], "kubernetes": settings["data"] | required}


@pytest.mark.parametrize("place", ["compose", "kubernetes"])
def test_where_others_reach_it_the_operators_ui_asks_for_a_token_that_must_be_set(place: str) -> None:
    environment = environments()[place]
    assert ":?" in environment["ELECTION_METRICS_UI_TOKEN"], "nothing starts without it"
    names = ("ui_token", "ui_reads", "ui_hosts")
    said = {name: environment[f"ELECTION_METRICS_{name.upper()}"] for name in names}
    with pytest.raises(SettingsError, match="ELECTION_METRICS_UI_TOKEN"):
        rules_of(Settings.model_validate(said | {"ui_token": None}), "0.0.0.0", read_only=False)
    settings = Settings.model_validate(said | {"ui_token": "a-token-for-operators"})
    assert rules_of(settings, "0.0.0.0", read_only=False).token == "a-token-for-operators"
    onlookers = rules_of(settings, "0.0.0.0", read_only=True)
    assert onlookers.token is None
    assert all(onlookers.names.has(host) for host in ("10.1.2.3:3001", "localhost:3001"))
    assert onlookers.names.has("election-metrics:3001") == (place == "kubernetes"), "the Service's name"
    assert not onlookers.names.has("evil.example:3001")


def test_the_probes_are_answered_without_a_token_and_under_any_address(chosen: Settings) -> None:
    paths = set(re.findall(r"Probe: .*?path: (\S+?),", "".join(f.read_text("utf-8") for f in DEPLOY.rglob("*.yaml"))))
    assert paths
    settings = chosen.model_copy(update={"api_host": "0.0.0.0", "api_reads": "token"})
    with contextmanager(serve)(settings) as api:
        asked = {
            path: requests.get(api.address + path, headers={"Host": "10.1.2.3:8000"}, timeout=20).status_code
            for path in [*paths, "/api/v1/elections"]
        }
    assert asked == {**dict.fromkeys(paths, 200), "/api/v1/elections": 401}
