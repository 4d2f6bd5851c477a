"""What docs/howto/describe-the-site.md shows is a site, and its commands exist."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from typer.testing import CliRunner

from hubwatch_ops.site import app
from hubwatch_site import parse_site

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "describe-the-site.md").read_text(encoding="utf-8")


def test_file_of_the_page_is_right() -> None:
    blocks = re.findall(r"^( *)```toml\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    site = parse_site("\n".join(textwrap.dedent(block) for _, block in blocks), "page")
    assert (len(site.doors), len(site.supplies)) == (1, 2)


def test_commands_of_the_page_exist_with_their_options() -> None:
    commands = re.findall(r"hubwatch site (\w+)([^\n`]*)", PAGE)
    assert {name for name, _ in commands} >= {"draft", "sample", "check", "draw", "apply", "show"}
    for name, rest in commands:
        inner = rest.split()[:1] if name == "cardholders" else []
        usage = CliRunner().invoke(app, [name, *inner, "--help"], env={"COLUMNS": "200"})
        assert usage.exit_code == 0, name
        assert all(option in usage.output for option in re.findall(r"(?<=\s)--?[a-z]+", rest)), (name, rest)
