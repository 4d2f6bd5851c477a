"""What is stored, for analysts: DataFrames, and files to take away."""

from hubwatch_store.history.export import Export, ExportFormat, days_between
from hubwatch_store.history.frames import CONTENTS, MAX_ROWS, QUALITIES, Content, History
from hubwatch_store.history.occupancies import occupancies_of
from hubwatch_store.history.recording import ListedSensor, listed, recorded
from hubwatch_store.history.tables import micros_of

__all__ = [
    "CONTENTS",
    "MAX_ROWS",
    "QUALITIES",
    "Content",
    "Export",
    "ExportFormat",
    "History",
    "ListedSensor",
    "days_between",
    "listed",
    "micros_of",
    "occupancies_of",
    "recorded",
]
