"""Where a panel, a cell and a board lead: to the next board, or to the console."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DynamicConfigValue

UID_PREFIX = "hubwatch-"
"""With it the uid of every board of ours begins; a test holds them to it."""
TAG = "hubwatch"
"""The tag by which the boards list one another."""
CONSOLE = "${console}"
"""The variable with the console's address; a person sets it at the top of the board."""
_KEPT = "${__url_time_range}&${console:queryparam}&${datasource:queryparam}"


def to_board(name: str, title: str) -> DashboardLink:
    """Return a link to another board, at the same hubs and over the same time, with the same database and console."""
    return _link(title).url(f"/d/{UID_PREFIX}{name}?${{hub:queryparam}}&{_KEPT}")


def to_console(path: str, title: str) -> DashboardLink:
    """Return a link to a page of the console, in another tab: a wall board must stay."""
    return _link(title).url(CONSOLE + path).target_blank(True)


def to_all_boards() -> DashboardLink:
    """Return the list of all boards of ours, which keeps the chosen hubs and time."""
    return (
        DashboardLink("Boards")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def alarm_cell() -> list[DynamicConfigValue]:
    """Return the properties of a column of alarm numbers: each leads to its page of the console."""
    page = {"title": "Open in the console", "url": f"{CONSOLE}/alarms/${{__value.raw}}", "targetBlank": True}
    return [DynamicConfigValue("links", [page]), DynamicConfigValue("custom.width", 70)]


def hub_cell() -> list[DynamicConfigValue]:
    """Return the properties of a column of hubs: each leads to its overview. The row has the hub's id as `Id`."""
    board = f"/d/{UID_PREFIX}hub-overview?var-hub=${{__data.fields.Id}}&{_KEPT}"
    return [DynamicConfigValue("links", [{"title": "Overview of the hub", "url": board}])]


def _link(title: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK)
