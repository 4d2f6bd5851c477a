"""The configuration of the hub that the alarm benchmarks guard: routes that post, people, and who is told next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubwatch_alarms.settings import AlarmsSettings

HUB = "rotterdam"


def configured(
    dsn: str,
    folder: Path,
    routes: Mapping[str, str],
    *,
    priorities: str = "",
    escalations: tuple[Mapping[str, Any], ...] = (),
) -> AlarmsSettings:
    """Return settings with these routes, each a name and where it posts to, and the hub's own priorities."""
    key, table = folder / "key", folder / "priority.toml"
    key.write_text("signing key", encoding="utf-8")
    key.chmod(0o600)
    table.write_text(priorities, encoding="utf-8")
    posted = [
        {"name": name, "kind": "webhook", "url": url, "secret_file": str(key), "timeout_s": 15}
        for name, url in routes.items()
    ]
    tree = {
        "database": {"dsn": dsn},
        "routes": posted,
        "priorities_file": str(table),
        "escalations": list(escalations),
    }
    return AlarmsSettings.model_validate(tree)
