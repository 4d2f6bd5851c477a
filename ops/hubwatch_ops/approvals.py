"""`hubwatch approvals`: acts that wait for a second person."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say, say_json

app = typer.Typer(name="approvals", help="Acts that wait for a second person.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=1, help="The number, as `hubwatch approvals list` shows it.")]
Note = Annotated[str | None, typer.Option("--note", help="Why; stands in the journal.")]


@app.command("list")
@border
def list_(
    decided: Annotated[bool, typer.Option("--all", help="Those that were decided or are over, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """List what waits for a second person at the hubs that you see."""
    found = _ask("GET", f"/approvals?decided={str(decided).lower()}")["approvals"]
    if as_json:
        say_json(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in found:
        say(_line(each))
    if not found:
        say("nothing waits for a second person")


@app.command()
@border
def approve(number: Number, note: Note = None) -> None:
    """Agree to an act that somebody else asked for; it is done at once, where hubwatch does it itself."""
    decided = _ask("POST", f"/approvals/{number}/approve", {"note": note})
    done = "and done" if decided["done"] else f"; {one_line(decided['asked_by'])} can do it now"
    say(f"{one_line(decided['act'])} of {one_line(decided['subject'])} is approved {done}".replace(" ;", ";"))


@app.command()
@border
def refuse(number: Number, note: Note = None) -> None:
    """Refuse an act that somebody else asked for."""
    decided = _ask("POST", f"/approvals/{number}/refuse", {"note": note})
    say(f"{one_line(decided['act'])} of {one_line(decided['subject'])} is refused")


def _ask(method: str, path: str, body: object = None) -> Any:
    from hubwatch_core.http.logged_in import somebody

    return somebody().ask(method, path, body)


def _line(each: dict[str, Any]) -> str:
    where = f" at {each['hub']}" if each["hub"] else ""
    stands = f"waits until {each['expires']}" if each["decision"] is None else str(each["decision"])
    by = f" by {each['decided_by']}" if each["decided_by"] else ""
    text = f"{each['id']}  {each['act']}{where}: {each['subject']}, asked by {each['asked_by']}: {each['reason']}"
    return one_line(f"{text} ({stands}{by})")
