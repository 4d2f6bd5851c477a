"""Copies of a module of alarms with a small fault each, to show that the tests notice it."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).parents[2]
CASES = REPOSITORY / "tests" / "cases" / "alarms_mutants" / "mutants.toml"
MODULES = {"lifecycle": "lifecycle", "mover": "mover", "escalation": "oncall.escalation"}


@dataclass(frozen=True)
class Mutant:
    """A fault: which text of a module is replaced by which."""

    module: str
    fault: str
    before: str
    after: str

    def made(self) -> ModuleType:
        """Return the module with the fault; the true one stays as it is."""
        name = f"hubwatch_alarms.{MODULES[self.module]}"
        file = REPOSITORY / "alarms" / (name.replace(".", "/") + ".py")
        source = file.read_text(encoding="utf-8")
        assert source.count(self.before) == 1, f"{self.fault}: {self.before!r} stands {source.count(self.before)} times"
        copy = f"mutated_{self.module}"
        spec = util.spec_from_loader(copy, loader=None)
        assert spec is not None
        module = util.module_from_spec(spec)
        sys.modules[copy] = module  # where dataclasses look for their module
        exec(compile(source.replace(self.before, self.after), str(file), "exec"), vars(module))
        return module


def mutants(*modules: str) -> Sequence[Mutant]:
    """Return the faults of some modules."""
    cases = tomllib.loads(CASES.read_text(encoding="utf-8"))
    return [Mutant(module, **case) for module in modules for case in cases[module]]
