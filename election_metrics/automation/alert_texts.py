"""The texts of alerts."""

import re
from collections.abc import Mapping
from datetime import datetime

from election_metrics.automation.problems import Problem


def message(problem: Problem, since: datetime, host: str) -> str:
    """The alert, as text."""
    mark = "🔴" if problem.severity == "error" else "🟠"
    return f"{mark} {problem.title} (on {host}, since {since:%Y-%m-%d %H:%M} UTC)\n{problem.detail}"


def recovery(title: str, since: datetime, now: datetime, host: str) -> str:
    """The all-clear, as text."""
    minutes = max(1, round((now - since).total_seconds() / 60))
    return f"🟢 Over after {minutes} min: {title} (on {host})"


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with every secret replaced by its name, longest first: a secret may be part of another."""
    names: dict[str, str] = {}
    for name, secret in secrets.items():
        if len(secret) > 3:
            names.setdefault(secret, name)
    if not names:
        return text
    pattern = "|".join(re.escape(secret) for secret in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: f"({names[found[0]]})", text)
