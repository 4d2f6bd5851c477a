"""The reference of the API, written from its description: `python -m hubwatch_console.api_page [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.api_examples import EXAMPLES
from hubwatch_console.api_words import MEANING
from hubwatch_console.app import application, described
from hubwatch_console.routes.answers.described import REF
from hubwatch_console.settings import ConsoleSettings
from hubwatch_store.database import Pool

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
COMMON = frozenset({"400", "401", "403", "404", "409", "413", "422", "429", "500", "503"})
HEAD = """# The API

Written from the API's own description (OpenAPI {version}), which `GET /api/v1/openapi.json` gives to whoever is logged
in. `make samples` writes this page; a test runs the examples.

{about}

- **Pages.** A list comes a page at a time: `most` says how many, and `next` in the answer is the `cursor` of the next,
  null when there is no more ([why so](../decisions/0112-lists-come-a-page-at-a-time.md)).
- **Polling.** Alarms, incidents, what is blind, health and level have an `ETag`; with `If-None-Match` an answer that
  has not changed is 304.
- **Acts.** Each takes an `Idempotency-Key`, and is then done once however often it is sent
  ([why so](../decisions/0111-acts-are-done-once.md)).
- **Who.** Each operation says the least role; at which hub somebody has it is judged where the hub is known
  ([roles](roles.md)).
"""


def page() -> str:
    """Return the page."""
    settings = ConsoleSettings()
    app = application(settings, Pool(settings.database, "api page"), Instructions.load())
    return "\n".join(_lines(described(app, ""))) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield HEAD.format(version=document["openapi"], about=document["info"]["description"])
    yield "## Examples\n\n`$HUB` is the console's address, `$TOKEN` that of a login.\n"
    for example in EXAMPLES:
        yield f"**{example.title}.** {example.text}\n\n```sh\n{example.command}\n```\n"
    yield "## Statuses\n\n| status | means |\n|---|---|"
    yield from (f"| {status} | {meaning} |" for status, meaning in MEANING.items())
    yield ""
    found = [(path, *each) for path, item in document["paths"].items() for each in item.items()]
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in found)
    for tag in tags:
        yield f"## {tag[0].upper()}{tag[1:]}\n"
        for path, method, operation in found:
            if operation["tags"][0] == tag:
                yield from _operation(path, method, operation)
    yield "## What is sent and answered\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" in schema:
            yield from _schema(name, schema)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n"
    yield f"{' '.join(operation['description'].split())}\n"
    role = operation.get("x-hubwatch-role")
    who = role or ("whoever is logged in" if "security" in operation else "anybody")
    facts = [f"Who: {who}"]
    body = [_kind(each.get("schema", {})) for each in operation.get("requestBody", {}).get("content", {}).values()]
    facts += [f"Sent: {each}" for each in body]
    for status, response in operation["responses"].items():
        if status not in COMMON:
            kinds = ", ".join(_kind(each.get("schema", {})) for each in response.get("content", {}).values())
            facts.append(f"{status}: {kinds or response['description'].rstrip('.').lower()}")
    problems = ", ".join(status for status in operation["responses"] if status in COMMON)
    facts.append(f"Problems: {problems}")
    yield f"{'. '.join(facts)}.\n"
    asked = [each for each in operation["parameters"] if each["in"] in {"path", "query"}]
    if asked:
        yield "| parameter | in | what it is |\n|---|---|---|"
        for each in asked:
            yield f"| `{each['name']}` | {each['in']} | {each['description']}{_bounds(each['schema'])} |"
        yield ""


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{' '.join(schema.get('description', '').split())}\n"
    yield "| key | kind | what it is |\n|---|---|---|"
    wanted = schema.get("required", ())
    for key, each in schema["properties"].items():
        said = " ".join(each.get("description", "").split())
        optional = "" if key in wanted else "may be left out. "
        yield f"| `{key}` | {_kind(each)} | {optional}{said}{_bounds(each)} |"
    yield ""


def _kind(schema: Mapping[str, Any]) -> str:
    """Return in words what a schema is of."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return f"[{name}](#{name.lower()})" if name.endswith(("Answer", "Body")) else name
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return "time" if schema.get("format") == "date-time" else str(schema.get("type", "anything"))


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    limits = [f"from {least}"] if least is not None else []
    limits += [f"to {most}"] if most is not None else []
    if schema.get("default") is not None:
        limits.append(f"by default {schema['default']}")
    return f" ({', '.join(limits)})" if limits else ""


def main(arguments: list[str]) -> int:
    """Write the page, or with --check say when it is not as the description has it."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{PAGE} is not what the routes say: run `make samples`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
