"""One command to one Modbus device: written once, read back where the profile says how, and judged."""

from __future__ import annotations

import asyncio

from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.modbus.faults import ExceptionReply, Fault
from hubwatch_agents.modbus.jobs import Unit
from hubwatch_agents.modbus.orders import NotSent, Orders
from hubwatch_agents.modbus.plan import span
from hubwatch_agents.modbus.raw import Image, Raw, Unread, reader
from hubwatch_agents.profiles.modbus_schema import Command, ReadBack

PERHAPS_DONE = frozenset({4, 5, 11})
"""Exceptions that leave open whether it was done: the device failed while doing it, still works on it, or a gateway
waited in vain for it (Modbus application protocol 1.1b3, section 7). All others say that it was not."""

SENTENCE = "unknown whether it took effect"


async def command(orders: Orders, unit: Unit, what: Command) -> Outcome:
    """Give a command and see what becomes of it."""
    outcome = written(await orders.give(unit, what))
    if what.check is None or outcome.result is Result.FAILED:
        return outcome
    await asyncio.sleep(what.check.after_ms / 1000)
    return checked(outcome, what.check, await orders.give(unit, span(what.check)))


def written(answer: list[int] | Fault) -> Outcome:
    """Judge what came of a write."""
    if not isinstance(answer, Fault):
        return Outcome(Result.DONE, "the device has taken it")
    if isinstance(answer, NotSent):
        return Outcome(Result.FAILED, f"not sent: {answer.reason}")
    if isinstance(answer, ExceptionReply) and answer.code not in PERHAPS_DONE:
        return Outcome(Result.FAILED, f"the device refuses: {answer.reason}")
    return Outcome(Result.UNKNOWN, f"{SENTENCE}: {answer.reason}")


def checked(outcome: Outcome, check: ReadBack, answer: list[int] | Fault) -> Outcome:
    """Join what came of a write with what was read back after it; what is unknown stays so."""
    place = f"wire address {check.wire} reads back"
    try:
        found = _found(check, answer)
    except Unread as unread:
        return Outcome(outcome.result, f"{outcome.text}; cannot be read back: {unread.reason}")
    if outcome.result is not Result.DONE:
        return Outcome(outcome.result, f"{outcome.text}; {place} {found}, {check.equals} is what it should")
    if found != check.equals:
        return Outcome(Result.FAILED, f"{outcome.text}, but {place} {found} instead of {check.equals}")
    return Outcome(Result.DONE, f"{outcome.text}; {place} {found}, as it should")


def _found(check: ReadBack, answer: list[int] | Fault) -> Raw:
    if isinstance(answer, Fault):
        raise Unread(answer.reason)
    image = Image()
    image.put(check.function, check.wire, answer)
    return reader(check)(image)
