"""Connections, schema, features and errors of the database."""

from hubwatch_store.database.errors import DatabaseLoginRefused, DatabaseRefused, translated
from hubwatch_store.database.features import Features, detect
from hubwatch_store.database.listening import listen
from hubwatch_store.database.pool import Pool, open_pool
from hubwatch_store.database.reading_clock import clock_of, database_clock
from hubwatch_store.database.roles import EVERY_HUB, LOGINS, PREFIX, add_reader, apply_roles
from hubwatch_store.database.rows import fetch, one_state, write
from hubwatch_store.database.schema import Migration, Phase, Standing, check_schema, migrate, migrations, standing
from hubwatch_store.database.session import DatabaseConnection, connect, connect_sync, hang_up, limit_answers, settle
from hubwatch_store.database.settings import DatabaseSection
from hubwatch_store.database.sql_files import queries

__all__ = [
    "EVERY_HUB",
    "LOGINS",
    "PREFIX",
    "DatabaseConnection",
    "DatabaseLoginRefused",
    "DatabaseRefused",
    "DatabaseSection",
    "Features",
    "Migration",
    "Phase",
    "Pool",
    "Standing",
    "add_reader",
    "apply_roles",
    "check_schema",
    "clock_of",
    "connect",
    "connect_sync",
    "database_clock",
    "detect",
    "fetch",
    "hang_up",
    "limit_answers",
    "listen",
    "migrate",
    "migrations",
    "one_state",
    "open_pool",
    "queries",
    "settle",
    "standing",
    "translated",
    "write",
]
