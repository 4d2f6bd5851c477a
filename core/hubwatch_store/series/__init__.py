"""Readings as columns, their aggregates and partitions."""

from hubwatch_store.series.aggregates import Refreshed, maintained
from hubwatch_store.series.bounds import Bounds
from hubwatch_store.series.channel_tables import ChannelKey, ChannelTables, Meanings, meaning_at
from hubwatch_store.series.columns import NO_TIME, Columns, columns_of, joined
from hubwatch_store.series.partitions import (
    ENDLESS_YEAR,
    Partition,
    drop,
    estimated_rows,
    partitions_of,
    rewrite,
    sparse,
    stop_writers,
)
from hubwatch_store.series.spans import Span, without

__all__ = [
    "ENDLESS_YEAR",
    "NO_TIME",
    "Bounds",
    "ChannelKey",
    "ChannelTables",
    "Columns",
    "Meanings",
    "Partition",
    "Refreshed",
    "Span",
    "columns_of",
    "drop",
    "estimated_rows",
    "joined",
    "maintained",
    "meaning_at",
    "partitions_of",
    "rewrite",
    "sparse",
    "stop_writers",
    "without",
]
