"""What is written about the agent agrees with it; what it may not load it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hubwatch_agents.cli.profile_schema import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "profiles.md"


def test_page_of_the_schema_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "hubwatch agent profiles schema > docs/reference/profiles.md"


def test_every_key_of_the_schema_is_described() -> None:
    bare = [line for line in page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert bare == []


def test_agent_loads_neither_the_store_nor_what_belongs_to_it() -> None:
    code = (
        "import sys, hubwatch_agents.service, hubwatch_agents.drivers.modbus.driver\n"
        "import hubwatch_agents.drivers.mqtt.driver, hubwatch_agents.drivers.sparkplug.driver\n"
        "import hubwatch_agents.cli.app\n"
        "heavy = ('psycopg', 'numpy', 'pandas', 'hubwatch_store', 'google.protobuf')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
