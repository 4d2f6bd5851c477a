"""Who may give what, what becomes of a request, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from hubwatch_agents.commands.catalog import DeviceCommand, find
from hubwatch_agents.commands.control import Caller, Control
from hubwatch_agents.commands.protocol import CommandOutcome, CommandRequest, CommandResult, encode
from hubwatch_agents.devices import Configuration
from hubwatch_agents.readings import SensorEvent
from support.agents_command_rig import checked_of

ANNA, BERT, NOBODY = Caller(1001, "anna"), Caller(1002, "bert"), Caller(65534, "nobody")
COMMANDS = {
    "enabled": True,
    "allow": [{"sensor": "gas-1", "command": each} for each in ("reset", "inhibit", "beep")],
    "operators": [
        {"user": "anna", "roles": ["technician", "shift"]},
        {"user": "bert", "roles": ["supervisor"]},
    ],
}


class Edge:
    """An agent as far as commands see it, which answers as it is told."""

    def __init__(self, commands: dict[str, object] | None = None, port: int = 502) -> None:
        self.configuration: Configuration = checked_of(port, commands=COMMANDS if commands is None else commands)
        self.told: list[SensorEvent] = []
        self.given: list[DeviceCommand] = []
        self.answer: Callable[[], CommandOutcome] = lambda: CommandOutcome(
            CommandResult.DONE, "the device has taken it"
        )

    def emit(self, item: SensorEvent) -> None:
        self.told.append(item)

    async def command(self, entry: DeviceCommand) -> CommandOutcome:
        self.given.append(entry)
        await asyncio.sleep(0)
        return self.answer()


def request(edge: Edge, command: str = "reset", note: str = "", **change: object) -> bytes:
    entry = find(edge.configuration.devices, "gas-1", command)
    whole = {
        "sensor": "gas-1",
        "command": command,
        "shown": entry.digest() if entry else "0" * 64,
        "note": note,
    } | change
    return encode(CommandRequest(1, **whole))  # type: ignore[arg-type]


def made(edge: Edge) -> Control:
    return Control(edge, CollectorRegistry())


async def outcome(edge: Edge, line: bytes, caller: Caller = ANNA) -> CommandOutcome:
    return await made(edge).hear(line, caller)


async def test_who_has_the_role_gives_the_command_and_it_is_told_with_name_role_and_note() -> None:
    edge = Edge()
    assert await outcome(edge, request(edge, note="gas is gone, Tor 7 ✓")) == (
        CommandResult.DONE,
        "the device has taken it",
    )
    assert [(entry.sensor, entry.command.name) for entry in edge.given] == [("gas-1", "reset")]
    (event,) = edge.told
    assert (event.sensor, event.type, event.subject) == ("gas-1", "command.executed", None)
    assert event.attrs == {
        "by": "anna",
        "uid": 1001,
        "sensor": "gas-1",
        "command": "reset",
        "note": "gas is gone, Tor 7 ✓",
        "role": "technician",
        "outcome": "done",
        "why": "the device has taken it",
    }


@pytest.mark.parametrize(
    ("command", "caller", "why"),
    [
        ("reset", BERT, "reset needs the role technician, bert has supervisor"),
        ("reset", NOBODY, "reset needs the role technician, nobody has no role here"),
        ("inhibit", ANNA, "inhibit needs the role supervisor, anna has technician, shift"),
        ("lamp", ANNA, "lamp of gas-1 is not on the list of allowed commands"),
        ("explode", ANNA, "sensor gas-1 has no command explode"),
    ],
)
async def test_refusal_says_why_sends_nothing_and_is_told(command: str, caller: Caller, why: str) -> None:
    edge = Edge()
    assert await outcome(edge, request(edge, command), caller) == (CommandResult.REFUSED, why)
    assert edge.given == []
    (event,) = edge.told
    assert event.type == "command.refused"
    assert (event.attrs["by"], event.attrs["command"], event.attrs["why"]) == (caller.name, command, why)


async def test_refusal_for_a_sensor_that_is_not_there_is_told_of_the_agent() -> None:
    edge = Edge()
    result, why = await outcome(edge, request(edge, sensor="gas-9"))
    assert (result, why) == (CommandResult.REFUSED, "sensor gas-9 has no command reset")
    assert (edge.told[0].sensor, edge.told[0].attrs["sensor"]) == ("rig", "gas-9")


async def test_nothing_is_given_while_commands_are_off() -> None:
    edge = Edge(COMMANDS | {"enabled": False})
    assert await outcome(edge, request(edge)) == (CommandResult.REFUSED, "commands are off here")
    assert edge.given == []


async def test_what_was_shown_must_be_what_would_be_sent() -> None:
    shown, edge = Edge(port=502), Edge(port=503)
    result, why = await outcome(edge, request(shown))
    assert result is CommandResult.REFUSED
    assert "something else than was shown" in why
    assert edge.given == []


async def test_withdrawn_role_is_withdrawn_at_once() -> None:
    edge = Edge()
    taken = made(edge)
    assert (await taken.hear(request(edge), ANNA)).result is CommandResult.DONE
    edge.configuration = checked_of(502, commands=COMMANDS | {"operators": []})
    assert (await taken.hear(request(edge), ANNA)).result is CommandResult.REFUSED


@pytest.mark.parametrize(
    ("result", "event"),
    [
        (CommandResult.FAILED, "command.failed"),
        (CommandResult.UNKNOWN, "command.unknown"),
    ],
)
async def test_outcome_decides_the_type_of_the_event(result: CommandResult, event: str) -> None:
    edge = Edge()
    edge.answer = lambda: CommandOutcome(result, "so it was")
    assert await outcome(edge, request(edge)) == (result, "so it was")
    assert (edge.told[0].type, edge.told[0].attrs["outcome"]) == (event, str(result))


async def test_command_cut_short_by_a_fault_of_the_agent_is_told_as_unknown() -> None:
    edge = Edge()

    def fail() -> CommandOutcome:
        raise ZeroDivisionError

    edge.answer = fail
    with pytest.raises(ZeroDivisionError):
        await outcome(edge, request(edge))
    assert edge.told[0].type == "command.unknown"


async def test_command_cut_short_by_the_stop_of_the_agent_is_told_as_unknown() -> None:
    edge = Edge()
    task = asyncio.create_task(outcome(edge, request(edge)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert edge.told[0].type == "command.unknown"


@pytest.mark.parametrize("line", [b"", b"\n", b"garbage\n", b'{"v":1}\n', b"\xff\xfe\n", b"{" * 5000 + b"\n"])
async def test_what_is_no_request_is_refused_and_told_of_the_agent(line: bytes) -> None:
    edge = Edge()
    result, why = await outcome(edge, line)
    assert result is CommandResult.REFUSED
    assert why.startswith("not heard: ")
    assert (edge.told[0].sensor, edge.told[0].type, edge.told[0].attrs["by"]) == ("rig", "command.refused", "anna")


async def test_flood_of_one_user_is_refused_told_once_and_counted_and_hurts_no_other() -> None:
    now = 1000.0
    edge, registry = Edge(), CollectorRegistry()
    taken = Control(edge, registry, lambda: now)
    results = [(await taken.hear(b"garbage\n", NOBODY)).text for _ in range(100)]
    assert [text.startswith("not heard") for text in results] == [True] * 10 + [False] * 90
    assert results[-1] == "too many requests: one every 6 s, 10 at once"
    assert len(edge.told) == 11
    assert registry.get_sample_value("hubwatch_agents_commands_unheard_total") == 90
    assert (await taken.hear(request(edge), ANNA)).result is CommandResult.DONE
    now += 6.0
    await taken.hear(b"garbage\n", NOBODY)
    assert edge.told[-1].attrs["unheard_before"] == 89
    assert registry.get_sample_value("hubwatch_agents_commands_total", {"result": "done"}) == 1
    assert registry.get_sample_value("hubwatch_agents_commands_total", {"result": "refused"}) == 12
