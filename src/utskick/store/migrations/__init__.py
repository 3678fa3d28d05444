"""The schema, revision by revision, as SQL. Run by ``utskick migrate`` and by ``serve`` on the embedded database."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from utskick.domain.errors import DatabaseFault

#: The oldest server whose SQL we speak.
OLDEST = 14
_LOCK = 7_318_302_581  # any number of ours: two processes must not migrate at once


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the schema to this release's. Returns (revision before, revision after). Raises ``DatabaseFault``."""
    engine = create_engine(_for_psycopg(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            before = _revision(connection)
            _refuse_newer(before)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            after = _revision(connection)
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()
    assert after is not None
    return before, after


def head() -> str:
    """The revision that this release needs."""
    found = ScriptDirectory.from_config(_config()).get_current_head()
    assert found is not None
    return found


def known(revision: str) -> bool:
    return revision in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def check(revision: str | None) -> None:
    """Whether a database of this revision can be served. Raises ``DatabaseFault`` with the sentence that says what to do."""
    if revision is None:
        raise DatabaseFault("the database has no Utskick schema yet: run `utskick migrate`")
    _refuse_newer(revision)
    if revision != head():
        raise DatabaseFault(f"the database is at schema {revision}, this release needs {head()}: run `utskick migrate`")


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and not known(revision):
        raise DatabaseFault(
            f"the database has schema {revision}, which this release (schema {head()}) does not know: it was written by a newer "
            "Utskick. Run that release, or restore a backup from before the upgrade"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _for_psycopg(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres"):
        raise DatabaseFault(f"database.url must start with postgresql://, not {scheme}://")
    return f"postgresql+psycopg://{rest}"


def _revision(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        connection.commit()
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    connection.commit()
    return str(found) if found else None
