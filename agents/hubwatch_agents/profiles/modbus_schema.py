"""Profiles of Modbus devices. Addresses are always those of the protocol, counted from 0."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from hubwatch_agents.profiles.command import BaseCommand, check_names
from hubwatch_agents.profiles.measure import Measure
from hubwatch_agents.profiles.provenance import Provenance
from hubwatch_core.config import ConfigId, Conflict, Section

WORDS = {
    "bit": 1, "u16": 1, "i16": 1, "u8_high": 1, "u8_low": 1, "i8_high": 1, "i8_low": 1, "bcd16": 1, "f16": 1,
    "u32": 2, "i32": 2, "f32": 2, "bcd32": 2, "u48": 3, "i48": 3, "bcd48": 3,
    "u64": 4, "i64": 4, "f64": 4, "bcd64": 4,
}  # fmt: skip
"""Registers (or bits) one value of each type takes; the others take as many as they say."""

TEXTS = frozenset({"ascii", "ascii_number", "hex"})
"""Types that are read as characters, in the order of the registers."""
FLOATS = frozenset({"f16", "f32", "f64"})
NO_NUMBER = frozenset({"ascii", "hex"})
"""Types whose value is a text: they identify, and name subjects, but measure nothing by themselves."""
MOST_MOD10 = 4
MOST_DIGITS = 16
"""Registers and decimal digits of a mod10: as many as a published value holds."""
MOD10_BASE = 10_000

MOST_WRITTEN = {5: 1, 6: 1, 15: 1968, 16: 123}
"""Coils or registers one request writes (Modbus application protocol 1.1b3, 6.5, 6.6, 6.11, 6.12)."""

RawType = Literal[
    "bit", "u16", "i16", "u8_high", "u8_low", "i8_high", "i8_low", "bcd16",
    "f16", "u32", "i32", "f32", "bcd32", "u48", "i48", "bcd48", "u64", "i64", "f64", "bcd64",
    "mod10", "ascii_number", "ascii", "hex",
]  # fmt: skip
_SPEC = re.compile(r"#?[0-9]{0,2}[xbd]?", re.ASCII)
"""How a reason may show a value: as it is, as bits, with so many digits."""
Address = Annotated[int, Field(ge=0, le=65535)]
Bit = Annotated[int, Field(ge=0, le=63)]


class RegisterSource(Section):
    """Where a raw value stands in the device and how it is written there."""

    renamed: ClassVar[Mapping[str, str]] = {"wire": "address"}

    function: Literal[1, 2, 3, 4] = Field(3, description="Function that reads it: 1, 2 bits; 3, 4 registers.")
    address: Address = Field(description="Protocol address, from 0 (not the number the manual prints).")
    type: RawType = Field(
        "u16",
        description="How the raw value is written. mod10: four digits a register; ascii_number: a number as text.",
    )
    base: Annotated[int, Field(ge=10, le=65_536)] | None = Field(
        None,
        description="Of a mod10: how many times the next lower register each one weighs, as 1000 where one counts MWh "
        "and the next kWh; the highest may hold any number. Unset: 10000, and every register holds four digits.",
    )
    signed: bool = Field(False, description="Of a mod10: each register has a sign of its own.")
    length: Annotated[int, Field(ge=1, le=125)] | None = Field(
        None, description="Registers of an ascii, ascii_number, hex or mod10."
    )
    word_order: Literal["big", "little"] = Field("big", description="Which register holds the high word: big = first.")
    byte_order: Literal["big", "little"] = Field("big", description="Order of the bytes inside each register.")
    mask: Annotated[int, Field(ge=1)] | None = Field(None, description="Keep only these bits.")
    shift: Annotated[int, Field(ge=0, le=63)] = Field(0, description="Then shift right by this many.")
    any_of_bits: tuple[Bit, ...] = Field((), description="The value is 1 when any of these bits is set, else 0.")
    one_of: tuple[int, ...] = Field((), description="After mask and shift: 1 when it is one of these codes, else 0.")
    invert: bool = Field(False, description="Swap 0 and 1 (normally closed contacts).")
    absent: tuple[int | float, ...] = Field(
        (), description="Whole values, before any bit is taken, that mean: no value, so no state and no event either."
    )

    @property
    def words(self) -> int:
        """Registers or bits it takes."""
        return WORDS.get(self.type) or self.length or 1

    def place(self) -> str:
        """Return where and how it is read, in words."""
        bits = f" bits {list(self.any_of_bits)}" if self.any_of_bits else ""
        mask = f" mask {self.mask:#x}" if self.mask is not None else ""
        codes = f" codes {list(self.one_of)}" if self.one_of else ""
        turned = " inverted" if self.invert else ""
        return f"function {self.function} address {self.address} {self.type}{bits}{mask}{codes}{turned}"

    @model_validator(mode="after")
    def _fits(self) -> RegisterSource:
        if (self.type == "bit") != (self.function in (1, 2)):
            raise ValueError("functions 1 and 2 read type bit, 3 and 4 read registers")
        if (self.type in WORDS) == (self.length is not None):
            raise ValueError("ascii, ascii_number, hex and mod10 need a length, nothing else has one")
        if self.type == "mod10" and self.words > MOST_MOD10:
            raise ValueError(f"a mod10 has at most {MOST_MOD10} registers")
        if self.type != "mod10" and (self.base is not None or self.signed):
            raise ValueError("only a mod10 has a base, and signed registers")
        if self.base is not None and self.base**self.words > 10**MOST_DIGITS:
            raise ValueError(f"a mod10 of {self.words} registers with the base {self.base} is too long to be published")
        if self.address + self.words > 65536:
            raise ValueError(f"{self.words} registers from {self.address} run over the last address, 65535")
        return self._bits_fit()

    def _bits_fit(self) -> RegisterSource:
        width = 1 if self.type == "bit" else 8 if "8_" in self.type else 16 * self.words
        if any(bit >= width for bit in self.any_of_bits):
            # Seen in the field: a driver that tests bits 16 and 17 of a 16-bit word, which never fire.
            raise ValueError(f"a {self.type} has bits 0 to {width - 1}")
        if self.mask is not None and self.mask >= 1 << width:
            raise ValueError(f"the mask is wider than a {self.type}")
        tested = self.any_of_bits or self.one_of or self.mask is not None or self.shift
        if tested and self.type in FLOATS | TEXTS | {"mod10"}:
            raise ValueError(f"a {self.type} has no bits to test")
        if self.any_of_bits and self.one_of:
            raise ValueError("any_of_bits and one_of are two ways to one state: give one of them")
        return self


class ExponentSource(RegisterSource):
    """Where the device says by which power of ten a value is to be multiplied."""

    type: RawType = Field("i16", description="How it is written; SunSpec: i16.")


class ModbusChannel(RegisterSource, Measure):
    """A channel read from registers or bits."""

    period_ms: Annotated[int, Field(ge=10)] | None = Field(None, description="Read every so often; unset: as the rest.")
    decimals_from: RegisterSource | None = Field(
        None, description="Where the device says how many decimals the value has, 0 to 9."
    )
    exponent_from: ExponentSource | None = Field(
        None, description="Where the device says the power of ten to multiply with, -10 to 10 (SunSpec scale factor)."
    )
    sign_from: RegisterSource | None = Field(
        None, description="Where the device says that it is negative: anything but 0."
    )
    values: dict[str, int | float] = Field({}, description="Channels of type ascii or hex: text to number.")

    @model_validator(mode="after")
    def _measures(self) -> ModbusChannel:
        if self.type in NO_NUMBER and not self.values:
            raise ValueError(
                f"a channel of type {self.type} is a text: give values, a table of text to number, "
                "or the type ascii_number where the text is a number"
            )
        if self.values and self.type not in NO_NUMBER:
            raise ValueError(f"values is for texts (ascii, hex), not for {self.type}; codes are named by states")
        if self.decimals_from is not None and self.exponent_from is not None:
            raise ValueError("decimals_from and exponent_from are two ways to one scale: give one of them")
        for key in ("decimals_from", "exponent_from", "sign_from"):
            source = getattr(self, key)
            if source is not None and (self.type in NO_NUMBER or source.type in NO_NUMBER):
                raise ValueError(f"{key} is for numbers, and must itself be one")
        return self


class QualityRule(RegisterSource):
    """A mode or status that decides whether other channels may be believed."""

    good: tuple[int, ...] = Field((), description="Values in which the channels are good.")
    uncertain: tuple[int, ...] = Field((), description="Values in which they are uncertain; all others: bad.")
    reason: str = Field(
        min_length=1, description="Why they are not good; {value} is the value found, {value:#x} the same as bits."
    )
    reasons: dict[str, str] = Field({}, description="Better words for single values.")
    channels: tuple[str, ...] = Field((), description="The channels it speaks of; none named: all.")

    @model_validator(mode="after")
    def _can_be_said(self) -> QualityRule:
        try:
            fields = [(name, spec) for _, name, spec, _ in Formatter().parse(self.reason) if name is not None]
        except ValueError:
            fields = [("", "")]
        if any(name != "value" or _SPEC.fullmatch(spec or "") is None for name, spec in fields):
            raise ValueError("a reason may hold {value} or {value:#x}; any other brace is written twice")
        return self


class HeartbeatRegister(RegisterSource):
    """A register that moves as long as the device measures."""

    max_age_s: Annotated[float, Field(gt=0)] = Field(description="Still for longer: every channel is bad.")


class SubjectSource(RegisterSource):
    """Whose card or code an event is about."""

    prefix: str = Field("badge:", description="Put before it.")


class EventRule(RegisterSource):
    """An event made from a value that changes. The first value seen is only the baseline."""

    event: ConfigId = Field(description="Type of the event.")
    on: Literal["rise", "fall", "change", "increase"] = Field(
        description="rise: 0 to not 0; fall: back to 0; change: any; increase: counters, roll-over included."
    )
    attrs: dict[str, str | int | float | bool] = Field({}, description="Attributes that are always the same.")
    read: dict[str, RegisterSource] = Field({}, description="Attributes read from the device in the same cycle.")
    subject: SubjectSource | None = Field(None, description="Whom it is about; personal data.")
    acknowledge: str | None = Field(None, description="Command to give afterwards, where the installation allows it.")


class IdentityRule(RegisterSource):
    """A register that tells whether this is the device the profile is for."""

    equals: int | float | str = Field(description="What must stand there.")


class Block(Section):
    """Registers to be read in one request, because the device wants them so or because it saves requests."""

    renamed: ClassVar[Mapping[str, str]] = {"wire": "address"}

    function: Literal[1, 2, 3, 4] = Field(3, description="Function that reads it.")
    address: Address = Field(description="First protocol address, from 0.")
    count: Annotated[int, Field(ge=1, le=2000)] = Field(description="Registers or bits.")

    @model_validator(mode="after")
    def _fits(self) -> Block:
        if self.function in (3, 4) and self.count > 125:
            raise ValueError("one request reads at most 125 registers")  # Modbus application protocol 1.1b3, 6.3
        if self.address + self.count > 65536:
            raise ValueError("runs over the last address, 65535")
        return self


class ReadBack(RegisterSource):
    """What is read after a command to see whether it took effect."""

    equals: int = Field(description="What must stand there then.")
    after_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="Time the device takes until it does.")

    def expected(self) -> str:
        """Return where it is read and what must stand there, in words."""
        mask = f", bits {self.mask:#x}" if self.mask is not None else ""
        codes = f", one of {list(self.one_of)}" if self.one_of else f", must be {self.equals}"
        after = f", after {self.after_ms} ms" if self.after_ms else ""
        return f"address {self.address} (function {self.function}, {self.type}{mask}){after}{codes}"


class Command(BaseCommand):
    """A command that is written to registers or coils."""

    renamed: ClassVar[Mapping[str, str]] = {"wire": "address"}

    function: Literal[5, 6, 15, 16] = Field(description="Function that writes it: 5, 15 coils; 6, 16 registers.")
    address: Address = Field(description="First protocol address, from 0.")
    values: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = Field(min_length=1, description="Exactly these.")
    check: ReadBack | None = Field(None, description="How to see that it took effect.")

    def effect(self) -> Iterator[tuple[str, str]]:
        """Return what is written, and what is read back."""
        coils = self.function in (5, 15)
        values = ", ".join(str(value) if coils else f"{value} ({value:#06x})" for value in self.values)
        what = f"{values} to {'coils' if coils else 'registers'} from address {self.address}"
        yield "writes", f"{what} (function {self.function}), once"
        if self.check is not None:
            yield "reads back", self.check.expected()

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what no device could be sent."""
        most = MOST_WRITTEN[self.function]
        if len(self.values) > most:
            yield ("values",), f"function {self.function} writes at most {most} value{'s' if most > 1 else ''}"
        if self.function in (5, 15) and any(value > 1 for value in self.values):
            yield ("values",), "a coil is 0 or 1"
        if self.address + len(self.values) > 65536:
            yield ("address",), "runs over the last address, 65535"


class Line(Section):
    """How the device wants to be spoken to."""

    transports: tuple[Literal["tcp", "rtu", "rtu_over_tcp", "tls"], ...] = Field(
        ("tcp", "rtu", "rtu_over_tcp", "tls"), description="Ways it can be reached."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(502, description="Its TCP port.")
    baudrate: int = Field(9600, description="Its serial speed as delivered.")
    parity: Literal["N", "E", "O"] = Field("N", description="Its parity as delivered.")
    stopbits: Literal[1, 2] = Field(1, description="Its stop bits as delivered.")
    unit: Annotated[int, Field(ge=0, le=255)] = Field(1, description="Its unit id as delivered.")
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = Field(1000, description="Longest time it takes to answer.")
    pause_ms: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="Quiet it needs between requests.")
    connect_pause_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(0, description="Quiet it needs after connecting.")
    max_registers: Annotated[int, Field(ge=1, le=125)] = Field(125, description="Registers it gives in one request.")
    allow_gap: Annotated[int, Field(ge=0, le=124)] = Field(0, description="Registers of no use it lets us read across.")
    merge: bool = Field(True, description="False: every value is read by itself.")


class ModbusProfile(Provenance):
    """The profile of a Modbus device."""

    protocol: Literal["modbus"] = Field(description="What the device speaks.")
    period_ms: Annotated[int, Field(ge=10)] = Field(1000, description="How often it is read.")
    line: Line = Field(Line(), description="How the device wants to be spoken to.")
    identity: tuple[IdentityRule, ...] = Field((), description="Checked after each connect, before anything is read.")
    blocks: tuple[Block, ...] = Field((), description="Requests fixed by hand; the rest is planned.")
    channels: tuple[ModbusChannel, ...] = Field((), description="What is measured.")
    quality: tuple[QualityRule, ...] = Field((), description="What decides whether it may be believed.")
    heartbeat: HeartbeatRegister | None = Field(None, description="What shows that the device measures.")
    device_time: RegisterSource | None = Field(None, description="The device's clock, seconds since 1970.")
    events: tuple[EventRule, ...] = Field((), description="What happens.")
    commands: tuple[Command, ...] = Field((), description="What it can be told; off unless allowed by name.")

    @model_validator(mode="after")
    def _names(self) -> ModbusProfile:
        names = [channel.name for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channel {twice[0]} is there twice")
        strangers = [name for rule in self.quality for name in rule.channels if name not in names]
        if strangers:
            raise ValueError(f"a quality rule names the channel {strangers[0]}, which is not there")
        unknown = [e.acknowledge for e in self.events if e.acknowledge and e.acknowledge not in self._commands()]
        if self.device_time is not None and self.device_time.type in NO_NUMBER:
            raise ValueError("device_time is a number of seconds, not a text")
        if unknown:
            raise ValueError(f"an event acknowledges with {unknown[0]}, which is no command")
        if not self.channels and not self.events:
            raise ValueError("a profile needs a channel or an event")
        check_names(self.commands)
        return self

    def all_commands(self) -> tuple[Command, ...]:
        """Return what the device can be told."""
        return self.commands

    def own_commands(self) -> tuple[Command, ...]:
        """Return the commands that the agent can give by itself: any may acknowledge an event."""
        return self.commands

    def default_unit(self) -> int:
        """Return the unit id of the device as delivered."""
        return self.line.unit

    def names_persons(self) -> bool:
        """Return whether an event says whom it is about."""
        return any(event.subject is not None for event in self.events)

    def event_places(self) -> Iterator[tuple[str, str, str]]:
        """Return each event with what makes it and where it is read."""
        for event in self.events:
            yield event.event, event.on, event.place()

    def _commands(self) -> set[str]:
        return {command.name for command in self.commands}
