"""A typed client can be made of the OpenAPI, and reads what the API says."""

import subprocess
import sys
from pathlib import Path

from election_metrics_tests.api.conftest import Api

USE = """
import sys
from election_metrics_client import Client
from election_metrics_client.api.elections import elections
from election_metrics_client.api.elections import election_constituencies
from election_metrics_client.models import ElectionConstituenciesSort as Sort
client = Client(base_url=sys.argv[1])
found = elections.sync(client=client)
first = found.data[0]
print(first.election_id, first.votes_cast, found.meta.as_of.isoformat(), found.meta.coverage)
page = election_constituencies.sync(first.election_id, client=client, limit=2, sort=Sort.VOTES_CAST, descending=True)
print([one.votes_cast for one in page.data])
wrong = elections.sync_detailed(client=client)
assert wrong.status_code == 200
"""


def test_a_typed_client_is_generated_and_works(api: Api, tmp_path: Path) -> None:
    openapi = tmp_path / "openapi.json"
    openapi.write_bytes(api.get("/openapi.json").content)
    (tmp_path / "config.yaml").write_text(
        "package_name_override: election_metrics_client\npost_hooks: []\n", encoding="utf-8"
    )
    tool = Path(sys.executable).parent / "openapi-python-client"
    generated = subprocess.run(
        [tool, "generate", "--path", openapi, "--config", tmp_path / "config.yaml", "--meta", "none",
         "--output-path", tmp_path / "election_metrics_client"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert generated.returncode == 0, generated.stdout + generated.stderr
    assert "warning" not in generated.stdout.lower(), generated.stdout
    used = subprocess.run(
        [sys.executable, "-c", USE, api.address], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert used.returncode == 0, used.stderr
    first = api.data("/elections")[0]
    said, listed = used.stdout.strip().splitlines()
    assert said.split()[:2] == [first["election_id"], str(first["votes_cast"])]
    path = f"/election/{first['election_id']}/constituencies?limit=2&sort=votes_cast&descending=true"
    assert listed == str([one["votes_cast"] for one in api.data(path)])
