"""Kubernetes resource requests per step, as op tags, which Dagster's Kubernetes launcher and executor read."""

import re
from typing import Any, Final

from election_metrics.settings import settings

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _tags(cpu: str, memory: int, most: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu, "memory": str(memory)}, "limits": {"memory": str(most)}}
    return {"dagster-k8s/config": {"container_config": {"resources": resources}}}


def _bytes(text: str) -> int:
    ((number, unit),) = re.findall(r"^([\d.]+)\s?([KMGT]?i?)B$", text)
    return int(float(number) * _UNITS[unit])


_scan = _bytes(settings().memory_limit)
SCANS: Final = _tags("1", _scan, _scan + 2**30)
"""Steps that read transactions: DuckDB's memory limit, plus Python, Arrow and pandas."""
FRAMES: Final = _tags("500m", 700_000_000, 1_500_000_000)
"""Steps that read hours and constituencies; 5,103 of them for 72 hours took 651 MB (`make bench`)."""
