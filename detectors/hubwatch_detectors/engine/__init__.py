"""The engine that feeds detectors: time and order, routing, and what is remembered of each agent."""

from hubwatch_detectors.engine.engine import Engine
from hubwatch_detectors.engine.instance import InstanceKey, Saved
from hubwatch_detectors.engine.rules import Counts, EngineConfig, Rules

__all__ = ["Counts", "Engine", "EngineConfig", "InstanceKey", "Rules", "Saved"]
