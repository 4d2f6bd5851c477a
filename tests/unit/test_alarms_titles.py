"""What an incident is called: what happened, where in the words of the site, and which way it went."""

from __future__ import annotations

import pytest

from hubwatch_alarms.instructions import Instruction, Instructions
from hubwatch_alarms.site_words import SiteWords
from hubwatch_alarms.titles import LONGEST_TITLE, title_of
from hubwatch_site import parse_site
from hubwatch_store.alarms import Member

SITE = parse_site(
    """
[hub]
id = "h"
name = "Maasvlakte"
mode = "sea"
time_zone = "UTC"
[[zones]]
id = "quay-fence"
name = "Quay fence"
[[zones]]
id = "yard"
name = "Yard"
[[zones]]
id = "office"
name = "Harbour office"
[[zones]]
id = "island"
[[paths]]
from = "quay-fence"
to = "yard"
metres = 20
[[doors]]
sensor = "door-3"
from = "yard"
to = "office"
[[fences]]
zone = "quay-fence"
sections = [
  { sensor = "fence-1", from_m = 0, to_m = 50 },
  { sensor = "fence-2", from_m = 50, to_m = 100 },
  { sensor = "fence-3", from_m = 100, to_m = 150 },
]
[[lanes]]
id = "lane-2"
steps = [{ sensor = "loop-1" }, { sensor = "rpm-2" }]
[[sensors]]
id = "fence-1"
label = "section at the crane"
[[sensors]]
id = "fence-3"
label = "section at the gate"
""",
    "site",
)
INSTRUCTIONS = Instructions(
    {
        "default": Instruction("Alarm", "look"),
        "perimeter": Instruction("Intrusion at the fence", "look"),
        "access": Instruction("Door forced open", "look"),
        "radiation": Instruction("Gamma radiation", "look"),
        "integrity": Instruction("UPS is silent", "look"),
    }
)
WORDS = SiteWords("h", SITE)


def members(*found: tuple[str, str, str | None] | tuple[str, str, str | None, int]) -> list[Member]:
    """Return alarms of (type, sensor, zone, priority), a second apart."""
    return [
        Member(number, each[0], each[2], each[1], each[3] if len(each) > 3 else 2, number * 1_000_000)
        for number, each in enumerate(found, 1)
    ]


FENCE = ("perimeter.intrusion", "fence-1", "quay-fence")
BEHIND = ("perimeter.intrusion", "radar-1", "yard")
DOOR = ("access.forced", "door-3", "yard")
PORTAL = ("radiation.gamma", "rpm-2", None)


@pytest.mark.parametrize(
    ("found", "title"),
    [
        ([FENCE], "Intrusion at the fence, Maasvlakte / Quay fence (section at the crane)"),
        ([("perimeter.x", "fence-2", "quay-fence")], "Intrusion at the fence, Maasvlakte / Quay fence"),
        ([("perimeter.x", "mast", None)], "Intrusion at the fence, Maasvlakte / mast"),
        (
            [FENCE, BEHIND, DOOR],
            "Intrusion at the fence and door forced open, Maasvlakte: from Quay fence through Yard to Harbour office",
        ),
        (
            [DOOR, ("access.forced", "door-3", "yard")],
            "Door forced open, Maasvlakte / Yard",
        ),
        (
            [("access.x", "desk", "office"), DOOR, FENCE],
            "Door forced open and intrusion at the fence, Maasvlakte: from Harbour office through Yard to Quay fence",
        ),
        (
            [FENCE, ("perimeter.x", "fence-2", "quay-fence"), ("perimeter.x", "fence-3", "quay-fence")],
            "Intrusion at the fence, Maasvlakte: along Quay fence from section at the crane to section at the gate",
        ),
        (
            [("perimeter.x", "fence-3", "quay-fence"), FENCE],
            "Intrusion at the fence, Maasvlakte: along Quay fence from section at the gate to section at the crane",
        ),
        (
            [FENCE, ("perimeter.x", "fence-3", "quay-fence"), ("perimeter.x", "fence-2", "quay-fence")],
            "Intrusion at the fence, Maasvlakte / Quay fence",
        ),
        (
            [("perimeter.x", "loop-1", None), PORTAL],
            "Intrusion at the fence and gamma radiation, Maasvlakte: along lane lane-2 from loop-1 to rpm-2",
        ),
        (
            [FENCE, ("perimeter.x", "mast", "island")],
            "Intrusion at the fence, Maasvlakte / Quay fence and island",
        ),
        (
            [FENCE, (*PORTAL, 1), ("integrity.x", "ups", "yard", 3)],
            "Gamma radiation, intrusion at the fence and 1 more, Maasvlakte: from Quay fence to Yard",
        ),
    ],
    ids=[
        "one sensor that the site has a word for", "one without", "one without a zone", "inwards along the links",
        "one door twice", "outwards through the door", "along a fence", "along it the other way", "hither and thither",
        "along a lane", "no way leads there", "the most severe first",
    ],
)  # fmt: skip
def test_title_says_what_happened_and_which_way_it_went(found: list[tuple[str, str, str | None]], title: str) -> None:
    assert title_of(members(*found), WORDS, INSTRUCTIONS, "rotterdam") == title


def test_two_places_at_one_moment_are_no_way() -> None:
    one, other = members(FENCE, BEHIND)
    at_once = [one, Member(other.alarm, other.type, other.zone, other.sensor, other.priority, one.opened)]
    assert (
        title_of(at_once, WORDS, INSTRUCTIONS, "rotterdam")
        == "Intrusion at the fence, Maasvlakte / Quay fence and Yard"
    )


def test_without_a_site_places_are_called_as_agents_say() -> None:
    found = members(("perimeter.x", "fence-1", "north"), ("access.x", "door-9", "east"))
    title = title_of(found, SiteWords("basel"), INSTRUCTIONS, "basel")
    assert title == "Intrusion at the fence and door forced open, basel / north and east"


def test_title_is_one_line_of_bounded_length_whatever_names_there_are() -> None:
    found = members(*(("perimeter.x", f"s{n}", f"zone\u202e\n{n}" + "x" * 200) for n in range(60)))
    title = title_of(found, SiteWords("h\x1b[31m"), INSTRUCTIONS, "h")
    assert title.isprintable()
    assert len(title) == LONGEST_TITLE
