"""One edge node and its devices: births, deaths, sequence. Knows no broker; says when to ask for a rebirth."""

from __future__ import annotations

from typing import NamedTuple

from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.sparkplug.births import Ambiguous, Births, Named, NodeBirth, Unknown
from hubwatch_agents.drivers.sparkplug.payload import Payload, Value
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor, is_time
from hubwatch_agents.drivers.sparkplug.sequence import Sequence, follows
from hubwatch_agents.readings import Observation, Reading
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line

REBIRTH_PAUSE_US = 5_000_000
"""A node is asked for its births at most this often; one that does not answer, ever less often."""
LONGEST_REBIRTH_PAUSE_US = 60_000_000
BIRTH_PATIENCE_US = 5_000_000
"""So long after its node a device may be born, and a node after it was asked; then it counts as dead."""
EVIDENCE = 3
"""Messages in a row that follow their own device's numbers and not the node's."""
BD_SEQ = "bdSeq"
RETAINED = "its birth was retained by the broker, its age is not known"


class NodeUpdate(NamedTuple):
    """One message of a node: its kind (NBIRTH … DDATA), the device it is about, when it came (µs)."""

    kind: str
    device: str | None
    payload: Payload
    t: int
    retained: bool = False

    @property
    def seq(self) -> int:
        """Its number; protobuf leaves out a zero."""
        return self.payload.seq or 0


class Node:
    """The state of one edge node."""

    def __init__(self, sensors: list[MetricSensor], reorder_us: int, drops: DropCounters, name: str = "") -> None:
        self._sensors: dict[str | None, list[MetricSensor]] = {}
        for sensor in sensors:
            self._sensors.setdefault(sensor.device, []).append(sensor)
        self._first = sensors[0].sensor
        self._drops = drops
        self._log = get_logger("sparkplug").bind(node=name)
        self._said: set[str] = set()
        """What this node does against the standard and is in the log."""
        self._alive: set[str | None] = set()
        """The devices that are born and not dead, and None for the node itself."""
        self._unborn: set[str | None] = set()
        """Those that have said nothing since their node was born."""
        self._expected_by = 0
        self._births = Births()
        self._order = _Order(reorder_us)
        self._bd_seq: Value = None
        self._born = False
        self._answer_by: int | None = None
        """When a birth has to be there that was asked for; None: nobody waits for one, or it has been told."""
        self._doubted_death: Value = None
        self._asked: int | None = None
        self._unanswered = 0
        self.wants_rebirth = True

    @property
    def sensors(self) -> list[MetricSensor]:
        """Everything read of this node."""
        return [sensor for sensors in self._sensors.values() for sensor in sensors]

    def begin(self) -> None:
        """Begin with a new link: births are not retained, so they have to be asked for."""
        self.wants_rebirth, self._unanswered, self._answer_by = True, 0, None

    def ask(self, t: int) -> bool:
        """Whether to ask for a rebirth now: at most every five seconds, and ever less often without an answer."""
        pause_us = min(REBIRTH_PAUSE_US * 2 ** max(0, self._unanswered - 1), LONGEST_REBIRTH_PAUSE_US)
        if not self.wants_rebirth or (self._asked is not None and t - self._asked < pause_us):
            return False
        if not self._born and self._unanswered == 0:
            self._answer_by = t + BIRTH_PATIENCE_US
        self._asked = t
        self._unanswered = min(self._unanswered + 1, 10)
        return True

    def unreadable(self, t: int, reason: str) -> None:
        """Take a message that is no payload; what it said is lost, so all is asked for."""
        self.wants_rebirth = True
        self._dropped(Cause.UNREADABLE, t, reason)

    def on_message(self, update: NodeUpdate) -> list[Observation]:
        """Take one message; gives what it, and what had waited for it, says."""
        if update.kind == "NDEATH":
            return self._on_node_death(update)
        if update.retained:
            return self._on_retained(update)
        if update.kind == "NBIRTH":
            return self._on_node_birth(update)
        if not self._born and not self._speaks_at_last(update):
            return []
        self._lives()
        ready = self._order.take(update, update.device in self._sensors)
        if self._order.newly_by_device:
            self._against_standard("seq", "seq is counted for each device by itself; each count is checked by itself")
        return [found for each in ready for found in self._use(each)]

    def tick(self, t: int) -> list[Observation]:
        """Give up on messages that do not come, and ask for the births then."""
        late = self._order.overdue(t)
        self.wants_rebirth |= late is not None
        found = [found for each in late or () for found in self._use(each)]
        return found + self._unanswered_question(t) + self._still_unborn(t) + self._silent(t)

    def failed(self, t: int, reason: str) -> list[Reading]:
        """Everything is bad: the link to the broker or the node is gone."""
        self._born = False
        self._doubted_death = None
        self._alive.clear()
        self._unborn.clear()
        self._births.clear()
        return [reading for sensor in self.sensors for reading in sensor.failed(t, reason)]

    def _on_node_death(self, update: NodeUpdate) -> list[Observation]:
        metric = update.payload.named(BD_SEQ)
        number = metric.value(4) if metric is not None else None
        other = number is not None and self._bd_seq is not None and number != self._bd_seq
        if self._born and (other or update.retained):
            self._doubt_death(update.t, number)
            return []
        # It will be born by itself when it comes back; but nobody knows how old a retained death is.
        self.wants_rebirth = update.retained
        self._answer_by = None
        return list(self.failed(update.t, "edge node is dead (NDEATH)"))

    def _doubt_death(self, t: int, number: Value) -> None:
        """The last will of another session: an old one, or of a node that counts bdSeq on at a rebirth. It is asked."""
        self._dropped(Cause.OLD_SESSION, t, f"NDEATH of session {number}, the node was born in session {self._bd_seq}")
        if self._doubted_death is None:
            self._doubted_death = number if number is not None else "retained"
            self._answer_by = t + BIRTH_PATIENCE_US
            self._asked, self._unanswered = None, 0
        self.wants_rebirth = True

    def _lives(self) -> None:
        """Take note that the node speaks: whatever will was published before was not of its present session."""
        if self._doubted_death is not None:
            self._doubted_death, self._answer_by = None, None

    def _unanswered_question(self, t: int) -> list[Observation]:
        """Return what becomes of a node that was asked for its births and gives none."""
        if self._answer_by is None or t < self._answer_by:
            return []
        self._answer_by = None
        if self._doubted_death is not None:
            reason = f"edge node is dead (NDEATH of session {self._doubted_death}, and no birth since)"
        elif not self._born:
            reason = "edge node has not answered: no NBIRTH since it was asked for it"
        else:
            return []
        return list(self.failed(t, reason))

    def _on_retained(self, update: NodeUpdate) -> list[Observation]:
        """A birth that the broker had kept teaches names; nobody knows how old it is, so its node is unborn."""
        if self._born:
            return []
        if update.kind in ("NBIRTH", "DBIRTH"):
            self._against_standard("retained", "births are retained; their values are uncertain")
            if update.device in self._sensors or update.device is None:
                self._learn(update)
        self._dropped(Cause.RETAINED, update.t, f"{update.kind} kept by the broker")
        return self._data(update) if self._births.knows(update.device) and update.kind[1:] != "DEATH" else []

    def _speaks_at_last(self, update: NodeUpdate) -> bool:
        """Return whether data may be used without a live birth: only of what a retained birth has taught."""
        self.wants_rebirth = True
        if update.kind == "DBIRTH" or not self._births.knows(update.device):
            self._dropped(Cause.UNBORN, update.t, f"{update.kind} before NBIRTH")
            return False
        self._born, self._answer_by = True, None
        self._order.begin(None, (update.seq - 1) % 256)
        return True

    def _on_node_birth(self, update: NodeUpdate) -> list[Observation]:
        metric = update.payload.named(BD_SEQ)
        self._bd_seq = metric.value(4) if metric is not None else None
        self._births.clear()
        self._order.begin(None, update.seq)
        self._born, self.wants_rebirth, self._unanswered = True, False, 0
        self._answer_by, self._doubted_death = None, None
        self._alive.clear()
        self._unborn = set(self._sensors)
        self._expected_by = update.t + BIRTH_PATIENCE_US
        return self._on_birth(update)

    def _still_unborn(self, t: int) -> list[Observation]:
        """Return the devices that were not born after their node as bad: what they said before is over."""
        if not self._unborn or t < self._expected_by:
            return []
        dead = [sensor for sensor in self.sensors if sensor.device in self._unborn]
        self._unborn.clear()
        return [each for sensor in dead for each in sensor.failed(t, "device was not born after its node (no DBIRTH)")]

    def _use(self, update: NodeUpdate) -> list[Observation]:
        if update.device is not None and update.device not in self._sensors:
            return []  # a device of the node that nobody reads
        if update.kind == "DBIRTH":
            return self._on_birth(update)
        if update.kind == "DDEATH":
            self._alive.discard(update.device)
            self._unborn.discard(update.device)
            dead = self._sensors.get(update.device, [])
            return [each for sensor in dead for each in sensor.failed(update.t, "device is dead (DDEATH)")]
        if update.device not in self._alive:
            if not self._births.is_retained(update.device):
                self.wants_rebirth = True
                self._dropped(Cause.UNBORN, update.t, f"{update.kind} of {update.device}, which is not born")
                return []
            self._alive.add(update.device)
        return self._data(update)

    def _silent(self, t: int) -> list[Observation]:
        """Tell of devices that are born and say nothing more: their node hangs, and no last will comes of that."""
        alive = [sensor for sensor in self.sensors if sensor.device in self._alive]
        return [each for sensor in alive for each in sensor.silent(t)]

    def _on_birth(self, update: NodeUpdate) -> list[Observation]:
        self._alive.add(update.device)
        self._unborn.discard(update.device)
        self._learn(update)
        return self._data(update)

    def _learn(self, update: NodeUpdate) -> None:
        birth = NodeBirth(update.payload.metrics, retained=update.retained)
        shared = self._births.learn(update.device, birth)
        if shared:
            self._against_standard(
                "alias", f"alias {shared[0]} stands for metrics of several devices; they are doubted"
            )
        if birth.ambiguous:
            self._against_standard("twice", f"alias {birth.ambiguous[0]} stands for several metrics; they are bad")

    def _data(self, update: NodeUpdate) -> list[Observation]:
        found: list[Observation] = []
        sensors = self._sensors.get(update.device, [])
        if not sensors:
            return []
        for sensor in sensors:
            sensor.heard = update.t
        for metric in update.payload.metrics:
            for each in self._births.named(update.device, metric):
                if isinstance(each, Unknown):
                    self.wants_rebirth = True
                    self._dropped(Cause.UNBORN, update.t, f"metric {each.what} is in no birth")
                    continue
                for sensor in sensors:
                    found += self._metric(sensor, each, update)
        return found

    def _metric(self, sensor: MetricSensor, each: Named | Ambiguous, update: NodeUpdate) -> list[Observation]:
        """Return what a metric says of one sensor; an unexpected error makes that sensor bad and no other."""
        try:
            if isinstance(each, Ambiguous):
                reason = f"alias {each.alias} stands for several metrics, against the standard"
                return list(sensor.failed(update.t, reason, each.names))
            doubt = RETAINED if update.retained else each.doubt
            stamp_ms = update.payload.timestamp_ms
            self._note_time(sensor, each, stamp_ms, update.t)
            return list(sensor.metric(each.name, each.metric, each.datatype, update.t, stamp_ms, doubt))
        except Exception as error:  # noqa: BLE001 - the wall around a sensor: it costs no other a reading
            return list(sensor.failed(update.t, self._drops.fail(sensor.sensor, "metrics", error, update.t)))

    def _note_time(self, sensor: MetricSensor, each: Named, payload_ms: int | None, t: int) -> None:
        """Count a timestamp that can be no time; only the time is not used."""
        own_ms = each.metric.timestamp_ms
        stamp_ms = own_ms if own_ms is not None else payload_ms
        if stamp_ms is not None and not is_time(stamp_ms) and sensor.reads(each.name):
            self._drops.drop(sensor.sensor, Cause.UNREADABLE_TIME, t, f"{each.name} says {stamp_ms} ms since 1970")

    def _dropped(self, cause: Cause, t: int, reason: str) -> None:
        self._drops.drop(self._first, cause, t, reason)

    def _against_standard(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._log.warning("edge node does not keep to the Sparkplug standard", what=one_line(text))


class _Order:
    """Puts the messages of a node into order: by the node's count or, where a node has one for each device, by those.

    Only the first is Sparkplug. The second is known by messages that follow their own device and not the node.
    """

    def __init__(self, reorder_us: int) -> None:
        self._reorder_us = reorder_us
        self._sequences: dict[str | None, Sequence[NodeUpdate]] = {None: Sequence(reorder_us)}
        """By device; the node's under None, and all where there is one count."""
        self._last: dict[str | None, int] = {}
        self._evidence = 0
        self._by_device = False
        self.newly_by_device = False
        """True after the message that has shown that each device counts by itself."""

    def begin(self, device: str | None, seq: int) -> None:
        """Begin anew with a birth: of the node, all counts."""
        if device is None:
            self._sequences = {None: self._sequences[None]}
            self._last.clear()
            self._evidence = 0
        self._sequences.setdefault(device, Sequence(self._reorder_us)).begin(seq)
        self._last[device] = seq

    def take(self, update: NodeUpdate, is_read: bool) -> list[NodeUpdate]:
        """Take a message; gives what may be used now. Of devices that are not read, only the node's count is kept."""
        self.newly_by_device = False
        if self._by_device:
            return self._take_by_device(update) if is_read or update.device is None else []
        one = self._sequences[None]
        if is_read or update.device is None:
            self._weigh(update, in_order=one.expects(update.seq))
        ready = one.take(update.seq, update, update.t, len(update.payload.metrics))
        if self._evidence >= EVIDENCE:
            self._by_device = self.newly_by_device = True
            ready += one.give_up()
            for device, seq in self._last.items():
                self._sequences.setdefault(device, Sequence(self._reorder_us)).begin(seq)
        return ready

    def overdue(self, t: int) -> list[NodeUpdate] | None:
        """Give up gaps that are too old; None when there is none."""
        late = [each for each in (one.overdue(t) for one in self._sequences.values()) if each is not None]
        return [update for updates in late for update in updates] if late else None

    def _take_by_device(self, update: NodeUpdate) -> list[NodeUpdate]:
        if update.kind == "DBIRTH":
            self.begin(update.device, update.seq)
            return [update]
        one = self._sequences.setdefault(update.device, Sequence(self._reorder_us))
        return one.take(update.seq, update, update.t, len(update.payload.metrics))

    def _weigh(self, update: NodeUpdate, *, in_order: bool) -> None:
        own = follows(update.seq, self._last.get(update.device))
        if in_order != own:
            self._evidence = self._evidence + 1 if own else 0
        self._last[update.device] = update.seq
