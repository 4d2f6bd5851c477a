"""What `hubwatch agent check` shows of what devices say."""

from __future__ import annotations

from hubwatch_agents.cli.survey import SurveySink, _lines
from hubwatch_agents.config.load import check
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.words import Quality

HOSTILE = "no\x1b[2Jthing\nforged line"


def test_what_devices_say_steers_no_terminal_and_forges_no_line() -> None:
    settings = {
        "hub": "h",
        "agent": "box",
        "connections": [{"name": "line", "transport": "tcp", "host": "127.0.0.1"}],
        "devices": [{"sensor": "door", "zone": "z", "profile": "generic.contact-8", "connection": "line"}],
    }
    sink = SurveySink()
    sink.emit(Reading("door", "input.1", 1, None, Quality.BAD, HOSTILE))
    sink.emit(SensorEvent("door", 1, "access.granted", f"badge:{HOSTILE}", {"name": HOSTILE}))
    lines = list(_lines(check(AgentSettings.model_validate(settings), "test"), sink))
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if "no [2Jthing forged line" in line] == [lines[0], lines[-1]]
