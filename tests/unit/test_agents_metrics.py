"""The agent's metrics: counters are counters, and the page lists them all."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from hubwatch_agents.self_report.metrics import FIGURES, PREFIX, AgentMetrics

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "agent-metrics.md"


def test_every_figure_is_exported_with_its_type() -> None:
    registry = CollectorRegistry()
    AgentMetrics(registry, lambda: {name: i for i, name in enumerate(FIGURES)})
    text = generate_latest(registry).decode()
    for i, (name, figure) in enumerate(FIGURES.items()):
        whole = f"{PREFIX}{name}_total" if figure.counter else f"{PREFIX}{name}"
        assert f"# TYPE {whole} {'counter' if figure.counter else 'gauge'}" in text
        assert f"\n{whole} {float(i)}\n" in text


def test_page_lists_every_figure() -> None:
    rows = [
        f"| `{PREFIX}{name}{'_total' if figure.counter else ''}` | {'counter' if figure.counter else 'gauge'} |"
        f" {figure.text} |"
        for name, figure in FIGURES.items()
    ]
    page = PAGE.read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line in rows] == rows, "\n".join(rows)
