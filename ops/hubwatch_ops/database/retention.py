"""`hubwatch db retention / hold / maintain`: how long what is kept, what must not be deleted, and the deleting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say
from hubwatch_ops.database.options import By, ConfigFile, Dsn

if TYPE_CHECKING:
    from hubwatch_store.keeping import Deleted, Evidence, Hold, RetentionRule

retention_app = typer.Typer(name="retention", help="How long what is kept.", no_args_is_help=True)
hold_app = typer.Typer(name="hold", help="Legal holds: what must not be deleted.", no_args_is_help=True)

Days = Annotated[str | None, typer.Option(help="Days, or 'forever'; left as it is when not given.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, such as a case number.")]

Result = TypeVar("Result")

LONGEST_DAYS = 36_525
"""A century; who wants more means forever."""
LONGEST_EVIDENCE_MIN = 31 * 24 * 60

EXIT_BUSY = 4
EXIT_INCOMPLETE = 5


def register(app: typer.Typer) -> None:
    """Hang these commands beneath `hubwatch db`."""
    app.add_typer(retention_app)
    app.add_typer(hold_app)
    app.command()(maintain)


@retention_app.command("show")
@border
def show(config: ConfigFile = None, dsn: Dsn = None) -> None:
    """Show the rules, in days, and why they are so."""
    from hubwatch_core.http.logged_in import reader
    from hubwatch_store.keeping import evidence, rules

    person = reader(config, dsn)
    if person is not None:
        found, around = _told(person.ask("GET", "/retention"))
    else:
        with _connection(config, dsn) as connection:
            found, around = rules(connection), evidence(connection)
    say(f"{'kind':<18}{'raw':>9}{'1m':>9}{'1h':>9}{'events':>9}  why")
    for rule in found:
        days = "".join(f"{_days(each):>9}" for each in (rule.raw, rule.minute, rule.hour, rule.event))
        say(f"{one_line(rule.kind):<18}{days}  {one_line(rule.why)}")
    say(
        f"evidence          {_minutes(around.before)} before to {_minutes(around.after)} after every detection of a"
        f" sensor: {_days(around.days)} days"
    )


@retention_app.command("set")
@border
def set_rule(
    kind: Annotated[str, typer.Argument(help="Kind of sensor, such as radiation_portal, or unknown.")],
    raw: Days = None,
    minutes: Days = None,
    hours: Days = None,
    events: Days = None,
    why: Annotated[str | None, typer.Option(help="The reason, kept with the rule; needed without --by.")] = None,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Change how long a kind's readings, minutes, hours and events are kept. Takes effect with the next maintenance."""
    from hubwatch_core.http.logged_in import somebody
    from hubwatch_store.keeping import change

    given = {"raw": raw, "minute": minutes, "hour": hours, "event": events}
    days = {layer: _parsed(text) for layer, text in given.items() if text is not None}
    if by is None:
        person = somebody()
        if why is None:
            raise typer.BadParameter("say why: it is kept with the rule and stands in the journal", param_hint="--why")
        kind = _kind(kind)
        rule = _rule(person.ask("PUT", f"/retention/rules/{kind}", days | {"reason": why}))
    else:

        def work(connection: Any) -> tuple[RetentionRule, dict[str, object]]:
            made = change(connection, kind, days, why)
            return made, {"kind": made.kind, **days, "reason": made.why}

        rule = _changed_at_their_word(by, f"rule {kind}", work, config, dsn)
    kept = f"raw {_days(rule.raw)}, 1m {_days(rule.minute)}, 1h {_days(rule.hour)}, events {_days(rule.event)}"
    say(f"{one_line(rule.kind)}: {kept} (days)")


@retention_app.command("evidence")
@border
def set_evidence(
    before: Annotated[
        float, typer.Option(min=0, max=LONGEST_EVIDENCE_MIN, help="Minutes before a detection's start.")
    ] = 15,
    after: Annotated[float, typer.Option(min=0, max=LONGEST_EVIDENCE_MIN, help="Minutes after its end.")] = 15,
    days: Annotated[str, typer.Option(help="Days, or 'forever'.")] = "1826",
    why: Annotated[str, typer.Option(help="The reason; stands in the journal.")] = "evidence changed",
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Change how much around every detection is kept as evidence, and for how long."""
    from hubwatch_core.http.logged_in import somebody
    from hubwatch_store.keeping import Evidence, change_evidence

    new = Evidence(timedelta(minutes=before), timedelta(minutes=after), _parsed(days))
    said = {"before_s": new.before.total_seconds(), "after_s": new.after.total_seconds(), "days": new.days}
    if by is None:
        somebody().ask("PUT", "/retention/evidence", said | {"reason": why})
    else:

        def work(connection: Any) -> tuple[None, dict[str, object]]:
            change_evidence(connection, new)
            return None, {**said, "reason": why}

        _changed_at_their_word(by, "evidence", work, config, dsn)
    say(f"evidence: {_minutes(new.before)} before, {_minutes(new.after)} after, {_days(new.days)} days")


@hold_app.command("add")
@border
def add_hold(
    hub: Annotated[str, typer.Option(help="The hub.")],
    since: Annotated[str, typer.Option("--from", help="First moment held, ISO 8601; UTC unless it says otherwise.")],
    reason: Reason,
    by: By = None,
    sensor: Annotated[str | None, typer.Option(help="One sensor; without it the whole hub.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Last moment held; without it there is no end.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Hold what was measured: from now on nothing of it is deleted until the hold is released."""
    from hubwatch_store.keeping import legal_hold
    from hubwatch_store.users import check_no_directory

    held_from, held_to = _moment(since, "--from"), None if until is None else _moment(until, "--to")
    if by is None:
        _add_over_api(hub, sensor, held_from, held_to, reason)
        return
    with _connection(config, dsn) as connection:
        check_no_directory(connection)
        number = legal_hold.add(
            connection, hub=hub, sensor=sensor, held_from=held_from, held_to=held_to, reason=reason, by=by
        )
    say(f"hold {number} is in force")


@hold_app.command("list")
@border
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Released ones too.")] = False,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """List holds in force."""
    from hubwatch_store.keeping import legal_hold

    with _connection(config, dsn) as connection:
        found = [hold for hold in legal_hold.holds(connection) if every or hold.released is None]
    for hold in found:
        say(_line(hold))
    if not found:
        say("no hold is in force" if not every else "there never was a hold")


@hold_app.command("release")
@border
def release_hold(
    number: Annotated[int, typer.Argument(help="The hold's number.")],
    reason: Reason,
    by: By = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Release a hold; the rules apply again. The hold and its release stay in the journal.

    Where there is a directory of users, it waits for a second person.
    """
    from hubwatch_store.audit import journal_now
    from hubwatch_store.keeping import legal_hold
    from hubwatch_store.users import check_no_directory

    if by is None:
        _ask_release(number, reason)
        return
    with _connection(config, dsn) as connection:
        check_no_directory(connection)
        with connection.transaction():
            legal_hold.release(connection, number, reason=reason, by=by)
            details = {"reason": reason}
            journal_now(connection, "hold.release", who=by, subject=f"hold {number}", details=details)
    say(f"hold {number} is released")


def _changed_at_their_word(
    by: str,
    subject: str,
    work: Callable[[Any], tuple[Result, dict[str, object]]],
    config: Path | None,
    dsn: str | None,
) -> Result:
    """Change a rule and journal it, where there is no directory of users."""
    from hubwatch_store.audit import journal_now
    from hubwatch_store.users import check_no_directory

    with _connection(config, dsn) as connection:
        check_no_directory(connection)
        with connection.transaction():
            made, details = work(connection)
            journal_now(connection, "retention.change", who=by, subject=subject, details=details)
    return made


def _told(answer: Mapping[str, Any]) -> tuple[list[RetentionRule], Evidence]:
    from hubwatch_store.keeping import Evidence

    around = answer["evidence"]
    before, after = (timedelta(seconds=float(around[name])) for name in ("before_s", "after_s"))
    return [_rule(each) for each in answer["rules"]], Evidence(before, after, around["days"])


def _rule(answer: Mapping[str, Any]) -> RetentionRule:
    from hubwatch_store.keeping import RetentionRule

    return RetentionRule(**{name: answer[name] for name in ("kind", "raw", "minute", "hour", "event", "why")})


def _kind(text: str) -> str:
    """Return a kind of sensor as it may stand in an address."""
    if not is_id(text):
        raise typer.BadParameter(f"{escaped(text)} is no kind of sensor")
    return text


def _add_over_api(hub: str, sensor: str | None, held_from: datetime, held_to: datetime | None, reason: str) -> None:
    from hubwatch_core.http.logged_in import somebody

    body = {"since": held_from.isoformat(), "sensor": sensor, "reason": reason}
    body["until"] = None if held_to is None else held_to.isoformat()
    say(f"hold {somebody().ask('POST', f'/hubs/{hub}/holds', body)['hold']} is in force")


def _ask_release(number: int, reason: str) -> None:
    from hubwatch_core.http.logged_in import somebody, waits

    say(f"it {waits(somebody().ask('POST', f'/holds/{number}/release', {'reason': reason}))}")


@border
def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so long; the next run goes on.")] = None,
    config: ConfigFile = None,
    dsn: Dsn = None,
) -> None:
    """Bring aggregates up to date and delete what is past its rule. For cron where no collector does it.

    Exit code 4 when another process is at it, 5 when something was left for the next run.
    """
    from hubwatch_store.series import Bounds
    from hubwatch_store.upkeep import maintain as run

    done = run(_settings(config, dsn), Bounds(seconds or float("inf")), dry_run=dry_run)
    if done is None:
        say("another process maintains this database just now", err=True)
        raise typer.Exit(EXIT_BUSY)
    if not dry_run:
        fresh = done.refreshed
        say(f"aggregates: {fresh.buckets} buckets made, {fresh.late_hours} hours made again for late readings")
        if fresh.too_late:
            say(f"aggregates: {fresh.too_late} buckets could not count late readings: theirs were deleted before")
    assert done.deleted is not None, "without when_due retention always runs"
    for line in _deleted_lines(done.deleted, "would go" if dry_run else "deleted"):
        say(line)
    if not done.deleted.complete:
        raise typer.Exit(EXIT_INCOMPLETE)


def _deleted_lines(deleted: Deleted, verb: str) -> Iterator[str]:
    for layer in ("raw", "events", "1m", "1h"):
        for (of, kind), rows in sorted(deleted.rows.items()):
            if of == layer and rows:
                yield f"{layer:<7}{kind:<18}{rows:>14} rows {verb}"
        if deleted.partitions[layer]:
            yield f"{layer:<7}{'':<18}{deleted.partitions[layer]:>14} partitions {verb} (rows counted above)"
    if not any(deleted.rows.values()) and not deleted.partitions:
        yield "nothing is past its rule"
    if deleted.postponed:
        yield f"left for the next run, for somebody was using them: {', '.join(deleted.postponed)}"


def _line(hold: Hold) -> str:
    what = f"{hold.hub}/{hold.sensor}" if hold.sensor else f"{hold.hub} (all sensors)"
    until = "no end" if hold.endless else hold.held_to.isoformat()
    span = f"{hold.held_from.isoformat()} to {until}"
    line = f"{hold.id:>4}  {what}  {span}  {one_line(hold.reason)}  by {one_line(hold.by)}"
    if hold.released is None:
        return line
    released = f"{hold.released.isoformat(timespec='seconds')} by {one_line(hold.released_by or '')}"
    return f"{line}  released {released}: {one_line(hold.release_reason or '')}"


def _days(days: int | None) -> str:
    return "forever" if days is None else str(days)


def _minutes(span: timedelta) -> str:
    return f"{span / timedelta(minutes=1):g} min"


def _parsed(text: str) -> int | None:
    if text == "forever":
        return None
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdecimal() and len(number) < 7 and 1 <= int(number) <= LONGEST_DAYS):
        raise typer.BadParameter(f"{text} is neither a number of days nor 'forever' (1 to {LONGEST_DAYS} days)")
    return int(number)


def _moment(text: str, flag: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text} is no moment such as 2026-11-21T20:15", param_hint=flag) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _connection(config: Path | None, dsn: str | None) -> Iterator[Any]:
    from hubwatch_store.database import connect_sync

    with connect_sync(_settings(config, dsn), "hubwatch db") as connection:
        yield connection


def _settings(config: Path | None, dsn: str | None) -> Any:
    from hubwatch_ops.database.settings import load_database

    return load_database(config, dsn)
