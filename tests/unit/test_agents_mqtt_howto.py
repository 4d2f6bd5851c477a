"""What is written about MQTT devices agrees with the program."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from hubwatch_agents.config.library import Library
from hubwatch_agents.config.load import check
from hubwatch_agents.drivers.drops import Cause
from hubwatch_agents.drivers.mqtt import backfill, payload
from support.agents_rig import settings_of

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "read-mqtt-devices.md").read_text(encoding="utf-8")


def test_entry_of_the_page_is_a_device_without_mistakes() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (device,) = tomllib.loads(block)["devices"]
    connection = {"name": device["connection"], "transport": "mqtt", "host": "h"}
    assert [each.sensor for each in check(settings_of(connection, [device]), "the page").devices] == ["radon-1"]


def test_every_cause_of_a_drop_is_on_the_page_and_no_other() -> None:
    assert set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)) - {"invalid", "settle_s"} == {*Cause}


def test_limits_and_names_on_the_page_are_those_of_the_program() -> None:
    assert f"longer than {payload.MAX_BYTES // 1024} KiB" in PAGE
    assert f"deeper than {payload.MAX_LEVELS} levels" in PAGE
    assert backfill.EVENTS_LOST in PAGE
    rule = Library().map("uhppoted-door").example()
    assert rule.protocol == "mqtt"
    assert rule.recovery is not None
    assert rule.recovery.pause_ms == 200, "five a second"
