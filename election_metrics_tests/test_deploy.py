"""The files of deploy/ name settings, commands and ports that exist."""

import re
from contextlib import contextmanager
from pathlib import Path

import requests
import yaml
from click.testing import CliRunner

from election_metrics.automation.launch import DAGSTER_URL
from election_metrics.cli import main
from election_metrics.settings import Settings
from election_metrics_tests.api.conftest import serve

DEPLOY = Path(__file__).parents[1] / "deploy"
VARIABLES = {f"ELECTION_METRICS_{name.upper()}" for name in Settings.model_fields}


def test_every_setting_that_is_named_exists() -> None:
    for file in filter(Path.is_file, DEPLOY.rglob("*")):
        assert set(re.findall(r"\bELECTION_METRICS_[A-Z_]+", file.read_text("utf-8"))) <= {*VARIABLES, DAGSTER_URL}, (
            file
        )


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
