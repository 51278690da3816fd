"""Whatever is asked, the answer is one that the OpenAPI describes, and none is an error of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from election_metrics_tests.api.conftest import Api

EXAMPLES = os.environ.get("API_EXAMPLES", "15")


@pytest.mark.long
def test_schemathesis_finds_no_server_error_and_no_answer_beside_the_schema(
    api: Api, operator: dict[str, str], tmp_path: Path
) -> None:
    command = [
        Path(sys.executable).parent / "schemathesis", "run", f"{api.address}/api/v1/openapi.json",
        "--exclude-path", "/api/v1/live",  # it never ends
        "--exclude-path", "/api/v1/refresh",  # Dagster is not running here; `test_refresh.py` asks for real runs
        "--header", f"Authorization: {operator['Authorization']}",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--max-examples", EXAMPLES, "--seed", "7", "--no-color", "--suppress-health-check", "all",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
