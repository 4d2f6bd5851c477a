"""Refusals in the reader's language: each is known by its English words, with places for names, numbers and moments.

What refuses is the same code for pages, API and commands, and speaks English. A page finds which refusal it was and
says it in its own language. A test holds every refusal that a page can show to stand here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from hubwatch_console.pages.language import marked as _

REFUSALS: tuple[str, ...] = (
    # Alarms.
    _("there is no alarm %(number)s"),
    _("there is no alarm to act on"),
    _("alarm %(number)s is critical: it may be shelved for at most %(longest)s"),
    _("alarm %(number)s is of exercise %(exercise)s: there is nothing to judge"),
    _("alarm %(number)s is with %(who)s, who acknowledged it at %(when)s"),
    _("alarm %(number)s cannot be shelved until %(when)s: that is over"),
    _("alarm %(number)s is not shelved, it is %(state)s"),
    _("alarm %(number)s is already closed (at %(when)s, never acknowledged)"),
    _("alarm %(number)s is already closed (at %(when)s, acknowledged by %(who)s)"),
    _("alarm %(number)s is shelved until %(when)s: unshelve it first"),
    _("alarm %(number)s is %(state)s"),
    _("an alarm may be shelved for at most %(hours)s h (shelving.max_s)"),
    _("%(field)s may have at most %(most)s characters, of UTF-8 text"),
    _("%(field)s must say why"),
    _("%(text)s is no adjudication: it may be %(words)s"),
    _("note must say what the alarm was when it was none of the other words"),
    _("%(text)s is no duration: write it like 30m, 2h or 90s"),
    _("%(person)s may not acknowledge alarms at this hub"),
    # What is expected.
    _("say which"),
    _("there is no suppression %(number)s"),
    _("suppression %(number)s is over already"),
    _("%(kind)s may last at most %(hours)s h (section expecting)"),
    _("that is over already: it would end at %(when)s"),
    _("that would end after the last day there is"),
    _("hub %(hub)s has no zone %(zone)s"),
    _("hub %(hub)s has no sensor %(sensor)s"),
    # Incidents.
    _("there is no incident %(number)s"),
    _("incident %(number)s is closed: close it anew with another word, or comment before"),
    _("incident %(number)s is closed: nobody can be given it"),
    _("incident %(number)s cannot be merged with itself"),
    _("incident %(number)s is of another hub: people there handle it"),
    _("what is real and what is an exercise cannot be one incident, nor can two exercises"),
    _("incident %(number)s is closed: merge into one that is open"),
    _("name 1 to %(most)s alarms that do not belong to incident %(number)s"),
    _("incident %(number)s is closed: what it was has been said of all of its alarms"),
    _("incident %(number)s has no alarm %(alarms)s"),
    _("these are all alarms of incident %(number)s: leave at least one with it"),
    _("alarm %(alarms)s is still open in incident %(number)s: wait until it is over, or let whoever may end it"),
    _("incident %(number)s is a part of incident %(other)s"),
    _("there is no user of that name who may take alarms at this hub"),
    _("nobody has taken alarm %(alarms)s: take them first"),
    _("this is no place in a timeline: take the `next` of the page before"),
    _("say whom: me, nobody or other"),
    _("name the person who is to have it"),
    _("say the number of the incident that this one is a part of"),
    _("tick the alarms that do not belong to it"),
    # Handovers.
    _("there is no handover %(number)s"),
    _("there is no hub of that name"),
    _("say which hub is handed over"),
    _("notes may have at most %(most)s characters, of UTF-8 text"),
    _("handover %(number)s has changed since it was shown: read it again, and write your notes anew"),
    _("handover %(number)s has changed since it was shown: read it again"),
    _("%(person)s has signed handover %(number)s; somebody else takes it over"),
    _("nobody has signed handover %(number)s yet: who leaves signs first"),
    _("%(person)s leaves: somebody else takes handover %(number)s over"),
    _("handover %(number)s is signed by both, so nobody changes it: draft a new one"),
    _("the draft of handover %(number)s is older than %(hours)s h: draft it again"),
    # Levels and checklists.
    _("there is no hub %(hub)s"),
    _("a level is 1, 2 or 3"),
    _("this is no list: load the page anew"),
    _("say done or again"),
    _("the level of %(hub)s has changed meanwhile: it is %(level)s now"),
    _("the level of %(hub)s has changed meanwhile, it is %(level)s: its list begins anew"),
    _("%(item)s is not on the list of %(hub)s at level %(level)s"),
    _("%(person)s was quicker: %(item)s is ticked already"),
    _("%(person)s was quicker: %(item)s is to be done already"),
    _("nobody has ticked %(item)s"),
    # Two persons.
    _("say approve or refuse"),
    _("there is no approval %(number)s"),
    _("%(act)s needs no second person"),
    _("%(act)s of %(subject)s waits for a second person already"),
    _("approval %(number)s was approved already"),
    _("approval %(number)s was refused already"),
    _("approval %(number)s was expired already"),
    _("approval %(number)s does not allow %(act)s of %(subject)s: not agreed to, over, or done already"),
    _("the second of two persons must be another one than the first"),
    _("to decide %(act)s at %(where)s needs the role %(role)s there"),
    _("who was added, reset or given roles within %(hours)s is no second person yet: ask another"),
    _("%(person)s, who asked, may not do that any more"),
    # Rights and logins.
    _("%(act)s at every hub needs the role %(role)s there"),
    _("%(act)s at hub %(hub)s needs the role %(role)s there"),
    _("%(act)s at every hub needs the role %(role)s there, and this token must reach so far"),
    _("%(act)s at hub %(hub)s needs the role %(role)s there, and this token must reach so far"),
    _("%(act)s needs the role %(role)s, which you have at no hub"),
    _("%(person)s must set up first: %(what)s"),
    _("set up first: %(what)s"),
    _("this needs a login, an API token is not enough"),
    _("log in first"),
    _("send a form"),
    _("this is no form"),
    _("this form is not of this session: go back, load the page anew and try again"),
    _("too many wrong logins: wait, then try again"),
    _("name, password or code is wrong, or the user is disabled"),
    _("send a code of the second factor with it"),
    _("this one-time password is over: ask an administrator"),
    _("the new password is the former one"),
    _("The two passwords are not the same."),
    _("a password has at least %(least)s characters; four or five words are easy to keep"),
    _("a password has at most %(most)s characters"),
    _("that password repeats a few characters"),
    _("a password must not hold the name of its user or of this program"),
    _("a password of digits and signs alone is guessed too soon"),
    _("that password is among the first that anybody tries: it is in lists of stolen passwords"),
    _("%(person)s has no password here: %(provider)s vouches for them"),
    _("there is a second factor already"),
    _("your identity provider gives you no role here"),
    _("your role needs a second factor, and the identity provider says of none"),
    _("the identity provider says no %(claim)s (oidc.name_claim)"),
    _("the identity provider calls itself by another name than oidc.issuer"),
    _("the identity provider names no %(key)s with https://"),
    _("this hub has no identity provider: log in with user and password"),
    _("none of oidc.redirect_uris ends in %(path)s"),
    # What is looked for.
    _("there is no day %(day)s"),
    _("there is no such choice"),
    _("there is no such file"),
    _("there is no such picture"),
    _("no counts of this occupancy are stored"),
    _("this alarm has no such occupancy of a radiation portal"),
    # The server.
    _("the database does not answer just now: try again"),
    _("the identity provider does not answer just now: try again"),
    _("the file has mistakes"),
    _("the request is not what it must be"),
    _("the fault has been logged"),
    _("too many requests from this address"),
    _("a request may have at most %(most)s bytes"),
    _("%(person)s has as many pages open as one may"),
    _("as many pages are open as this server takes"),
)  # fmt: skip
STATES: tuple[str, ...] = (
    _("unacknowledged"), _("acknowledged"), _("returned"), _("normal"), _("shelved"), _("suppressed"),
    _("out of service"),
)  # fmt: skip
"""What a refusal may fill in as `state`; all else that is filled in is the same in every language."""
LONGEST = 300
"""Of a refusal, in characters: a longer one is none of these."""
_PLACE = re.compile(r"%\((\w+)\)s")


def in_language(refusal: str, gettext: Callable[[str], str]) -> str:
    """Return a refusal of one line in a language; as it is where it is none that is known."""
    if len(refusal) > LONGEST:
        return refusal
    for message, parts in _patterns():
        values = filled_in(refusal, parts)
        if values is None:
            continue
        if values.get("state") in STATES:
            values["state"] = gettext(values["state"])
        return gettext(message) % values if values else gettext(message)
    return refusal


def filled_in(refusal: str, parts: Sequence[str]) -> dict[str, str] | None:
    """Return what is filled in between the words of a message, each as short as it can be; None for another message.

    `parts` are words and names in turn. Each words are looked for once, as what is filled in may be what people wrote.
    """
    words, names = parts[::2], parts[1::2]
    if not names:
        return {} if refusal == words[0] else None
    end = len(refusal) - len(words[-1])
    if not refusal.startswith(words[0]) or not refusal.endswith(words[-1]):
        return None
    values, begin = {}, len(words[0])
    for name, following in zip(names[:-1], words[1:-1], strict=True):
        found = refusal.find(following, begin + 1, end)
        if found < 0:
            return None
        values[name], begin = refusal[begin:found], found + len(following)
    values[names[-1]] = refusal[begin:end]
    return values if begin < end else None


@cache
def _patterns() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each message with its parts; those of the most words first, as others match what they say, too."""
    ordered = sorted(REFUSALS, key=lambda message: -len(_PLACE.sub("", message)))
    return tuple((message, tuple(_PLACE.split(message))) for message in ordered)
