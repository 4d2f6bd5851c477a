"""What the reference of the API shows by example; a test runs every one against a real console."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiExample:
    """A command that sends one request, and what it is for; `answer` is the method and path of what answers."""

    title: str
    text: str
    command: str
    answer: tuple[str, str]
    status: int = 200


AUTH = '-H "Authorization: Bearer $TOKEN"'
JSON = '-H "Content-Type: application/json"'

EXAMPLES = (
    ApiExample(
        "Log in",
        "The answer holds the token of a session, and what has to be set up first. Where a second factor is wanted it "
        "is 401 with `code-wanted`: send `code` too.",
        f'curl -sS "$HUB/api/v1/login" {JSON} \\\n  -d "{{\\"user\\": \\"$NAME\\", \\"password\\": \\"$PASSWORD\\"}}"',
        ("POST", "/login"),
    ),
    ApiExample(
        "List alarms, a page at a time",
        "In the order in which they want attention. `next` is the cursor of the next page, null when there is none.",
        f'curl -sS "$HUB/api/v1/alarms?most=2" {AUTH}',
        ("GET", "/alarms"),
    ),
    ApiExample(
        "Ask again only for what has changed",
        "Send the `ETag` of the answer that you have: 304 and no body where it is still good.",
        f'curl -sS "$HUB/api/v1/alarms?most=2" {AUTH} -H "If-None-Match: $ETAG"',
        ("GET", "/alarms"),
        304,
    ),
    ApiExample(
        "Go on where the page ended",
        "What has come meanwhile neither shifts the pages nor repeats an alarm.",
        f'curl -sS -G "$HUB/api/v1/alarms" --data-urlencode "most=2" \\\n  --data-urlencode "cursor=$NEXT" {AUTH}',
        ("GET", "/alarms"),
    ),
    ApiExample(
        "Acknowledge an alarm, once",
        "With a key of its own a request may be sent again after a lost connection: it is done once, and answered the "
        "same.",
        f'curl -sS "$HUB/api/v1/alarms/$ALARM/acknowledge" {AUTH} {JSON} \\\n'
        '  -H "Idempotency-Key: 4f1f0d3c-52e0-4d0a-9c61-9b6a5f0c7d11" \\\n  -d \'{"note": "on my way"}\'',
        ("POST", "/alarms/{alarm}/acknowledge"),
    ),
    ApiExample(
        "What is refused says why",
        "A problem of RFC 9457.",
        f"curl -sS \"$HUB/api/v1/alarms/$ALARM/unshelve\" {AUTH} {JSON} -d '{{}}'",
        ("POST", "/alarms/{alarm}/unshelve"),
        409,
    ),
    ApiExample(
        "See what cannot be seen",
        "An empty list of zones means that all is seen only where `doubts` is empty, too.",
        f'curl -sS "$HUB/api/v1/blind?hub=rotterdam" {AUTH}',
        ("GET", "/blind"),
    ),
    ApiExample(
        "Read the security level",
        "With the act that set it.",
        f'curl -sS "$HUB/api/v1/hubs/rotterdam/level" {AUTH}',
        ("GET", "/hubs/{hub}/level"),
    ),
    ApiExample(
        "Make a token for a wall board",
        "It is limited to a role and to hubs, and shown once.",
        f'curl -sS "$HUB/api/v1/tokens" {AUTH} {JSON} \\\n'
        '  -d \'{"label": "wall", "valid_s": 86400, "role": "viewer", "hubs": ["rotterdam"]}\'',
        ("POST", "/tokens"),
        201,
    ),
    ApiExample(
        "Follow what happens",
        "Server-sent events, with a pulse every other second. After a lost connection send the last `id`: what was "
        "missed comes first.",
        f'curl -sN "$HUB/api/v1/alarms/stream" {AUTH} -H "Last-Event-ID: $LAST" | head -n 4',
        ("GET", "/alarms/stream"),
    ),
)
