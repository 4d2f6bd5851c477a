"""The words of the field as pages show them: of priorities, states, moves and doubts, each marked for translation."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hubwatch_console.pages.language import marked as _
from hubwatch_console.watching import WatchDoubt
from hubwatch_core.alarm import Action, Adjudication
from hubwatch_core.words import AlarmState, CommandEvent
from hubwatch_store.alarms import ExpectedKind

PRIORITY: Mapping[int, str] = MappingProxyType({1: _("Critical"), 2: _("High"), 3: _("Medium"), 4: _("Low")})
SHAPE: Mapping[int, str] = MappingProxyType({1: "octagon", 2: "triangle", 3: "diamond", 4: "circle"})
"""Who does not see colours sees these."""

STATE: Mapping[str, str] = MappingProxyType(
    {
        AlarmState.UNACKNOWLEDGED: _("Nobody has it"),
        AlarmState.ACKNOWLEDGED: _("Taken"),
        AlarmState.RETURNED: _("Gone, nobody has it"),
        AlarmState.NORMAL: _("Closed"),
        AlarmState.SHELVED: _("Shelved"),
        AlarmState.SUPPRESSED: _("Expected"),
        AlarmState.OUT_OF_SERVICE: _("Out of service"),
    }
)

ACTION: Mapping[str, str] = MappingProxyType(
    {
        Action.OPENED: _("opened"),
        Action.REPEATED: _("detected again"),
        Action.RECURRED: _("came back"),
        Action.RAISED: _("became more urgent"),
        Action.RETURNED: _("condition gone"),
        Action.CLOSED: _("closed"),
        Action.ACKNOWLEDGED: _("acknowledged"),
        Action.SHELVED: _("shelved"),
        Action.UNSHELVED: _("taken off the shelf"),
        Action.SHELF_EXPIRED: _("time on the shelf is over"),
        Action.ESCALATED: _("escalated"),
        Action.SUPPRESSED: _("expected from now on"),
        Action.TAKEN_OUT: _("taken out of service"),
        Action.RELEASED: _("expected no more"),
        Action.REOPENED: _("opened again"),
        Action.REALARMED: _("told again"),
    }
)

VERDICT: Mapping[str, str] = MappingProxyType(
    {
        Adjudication.REAL: _("Real"),
        Adjudication.INNOCENT: _("Innocent"),
        Adjudication.FALSE: _("False"),
        Adjudication.TEST: _("Test"),
        Adjudication.TAMPER: _("Tampering"),
        Adjudication.OTHER: _("Other"),
    }
)

DOUBT: Mapping[str, str] = MappingProxyType(
    {
        WatchDoubt.NOT_ASKED: _("the database was not asked for long enough, or does not answer"),
        WatchDoubt.NOTHING_HEARD: _("nothing was heard of its agents in the last half minute"),
        WatchDoubt.NOT_JUDGED: _("no detector has worked lately"),
        WatchDoubt.NO_ALARMS: _("what makes alarms of findings does not run"),
        WatchDoubt.ALARMS_WAIT: _("findings wait and no alarm is made of them"),
    }
)

HEARD: Mapping[str, str] = MappingProxyType(
    {
        "taken": _("somebody outside hears that this hub works"),
        "none": _("none is set, so nobody outside notices when this hub stops"),
        "old": _("NO BEAT: what sends it does not run"),
        "failed": _("the beat is not taken"),
        "held_back": _("the beat is held back, as not all is well"),
    }
)
"""How the dead man stands."""

GAP: Mapping[str, str] = MappingProxyType(
    {
        "dead-lettered": _("could not be read, kept aside"),
        "evicted": _("the agent's disk was full"),
        "agent down": _("with an agent that is offline"),
        "link down": _("on their way, or the link is down"),
        "unexplained": _("unexplained"),
    }
)
"""Why frames are not stored."""

EVENT: Mapping[str, str] = MappingProxyType(
    {
        "access.granted": _("badge let in"),
        "access.denied": _("badge refused"),
        "access.presented": _("badge shown"),
        "door.opened": _("door opened"),
        "door.closed": _("door closed"),
        "door.forced": _("door forced"),
        "door.held": _("door held open"),
        "door.rex": _("exit button"),
        "perimeter.alarm": _("fence alarm"),
        "perimeter.clear": _("fence quiet again"),
        "portal.alarm": _("portal alarm"),
        "screening.alarm": _("scanner alarm"),
        "device.alarm": _("device alarm"),
        "device.fault": _("device fault"),
        "device.tamper": _("tampering"),
        "power.lost": _("mains gone"),
        "power.restored": _("mains back"),
    }
)
"""What devices say, by type of event."""

BLIND: Mapping[str, str] = MappingProxyType(
    {
        "never": _("has never said anything"),
        "agent": _("its agent is offline"),
        "silent": _("its agent is not heard"),
        "device": _("the device does not answer"),
        "bad": _("its readings are bad"),
        "maintenance": _("its zone is in maintenance"),
        "works": _("planned works"),
        "out_of_service": _("out of service"),
        "gone": _("not there any more"),
    }
)

SPAN: Mapping[str, str] = MappingProxyType(
    {
        "30m": _("30 minutes"),
        "1h": _("1 hour"),
        "2h": _("2 hours"),
        "8h": _("8 hours"),
        "1d": _("1 day"),
        "7d": _("7 days"),
        "30d": _("30 days"),
    }
)
"""Times that forms offer."""

EXPECTED: Mapping[str, str] = MappingProxyType(
    {
        ExpectedKind.WORKS: _("planned works"),
        ExpectedKind.OUT_OF_SERVICE: _("out of service"),
        ExpectedKind.MAINTENANCE: _("maintenance"),
    }
)

HAPPENED: Mapping[str, str] = MappingProxyType(
    {
        "detection": _("Detected"),
        "move": _("Alarm"),
        "notification": _("Message"),
        "answer": _("Answer"),
        "comment": _("Comment"),
        "act": _("Incident"),
        "adjudication": _("It was"),
        "command": _("Command"),
        "level": _("Security level"),
    }
)
"""The kinds of rows of an incident's timeline."""

INCIDENT_ACT: Mapping[str, str] = MappingProxyType(
    {
        "commented": _("commented"),
        "assigned": _("given to"),
        "unassigned": _("given to nobody"),
        "merged": _("took over incident"),
        "merged_into": _("became a part of incident"),
        "split": _("split off as incident"),
        "split_from": _("split off from incident"),
        "raised": _("became more urgent"),
        "closed": _("closed"),
        "reopened": _("opened again"),
    }
)

INCIDENT_STATE: Mapping[str, str] = MappingProxyType(
    {
        "open": _("Open"),
        "waiting": _("Over, waits for a person to close it"),
        "closed": _("Closed"),
        "merged": _("Part of another incident"),
    }
)

COMMAND: Mapping[str, str] = MappingProxyType(
    {
        CommandEvent.EXECUTED: _("executed"),
        CommandEvent.REFUSED: _("refused: nothing was sent"),
        CommandEvent.FAILED: _("failed"),
        CommandEvent.UNKNOWN: _("sent, and nobody knows whether it took effect"),
    }
)
"""What became of an order to a device."""

OUTCOME: Mapping[str, str] = MappingProxyType(
    {
        "delivered": _("delivered"),
        "sending": _("is being sent"),
        "transient": _("not delivered, is tried again"),
        "refused": _("REFUSED"),
        "given_up": _("GIVEN UP"),
        "withdrawn": _("not needed any more"),
    }
)
"""What came of telling somebody."""
