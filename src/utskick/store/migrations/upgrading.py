"""Alembic: one process at a time brings the schema from revision to revision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

_LOCK = 7_318_302_581  # any number of this application's: two processes must not migrate at once


def upgrade(url: str, check: Callable[[str | None], None]) -> str | None:
    """Run all revisions that are missing. Returns the revision before.

    ``check``: raises for a revision that must not be migrated.
    """
    engine = create_engine(f"postgresql+psycopg://{url.partition('://')[2]}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            before = _revision(connection)
            check(before)
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    return before


def config() -> Config:
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    return found


def _revision(connection: Connection) -> str | None:
    try:
        if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found
    finally:
        connection.commit()
