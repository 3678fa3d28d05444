"""The schema, revision by revision, as SQL. Run by ``utskick migrate`` and by ``serve`` on the
embedded database."""

from __future__ import annotations

from pathlib import Path

from utskick.domain.errors import DatabaseFault

#: The oldest server whose SQL we speak.
OLDEST = 14


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the schema to this release's. Returns (revision before, revision after). Raises
    ``DatabaseFault``."""
    before = _revision(url)
    _refuse_newer(before)
    if before != head():
        from utskick.store.migrations.upgrading import (
            upgrade,  # Alembic takes a quarter of a second to import, and has seldom anything to do
        )

        before = upgrade(url, _refuse_newer)
    return before, head()


def head() -> str:
    """The revision that this release needs."""
    return max(_revisions())


def known(revision: str) -> bool:
    return revision in _revisions()


def _revisions() -> set[str]:
    """Each stands in a file whose name begins with it (tests/store/test_migrations.py asks Alembic
    whether that is so)."""
    return {
        path.stem[:4]
        for path in (Path(__file__).parent / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")
    }


def check(revision: str | None) -> None:
    """Whether a database of this revision can be served. Raises ``DatabaseFault`` with the sentence
    that says what to do."""
    if revision is None:
        raise DatabaseFault("the database has no Utskick schema yet: run `utskick migrate`")
    _refuse_newer(revision)
    if revision != head():
        raise DatabaseFault(
            f"the database is at schema {revision}, this release needs {head()}: run `utskick migrate`"
        )


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and not known(revision):
        raise DatabaseFault(
            f"the database has schema {revision}, which this release (schema {head()}) does not know: it was written by a newer "
            "Utskick. Run that release, or restore a backup from before the upgrade"
        )


def _revision(url: str) -> str | None:
    import psycopg  # by migrations alone

    scheme = url.partition("://")[0]
    if scheme not in ("postgresql", "postgres"):
        raise DatabaseFault(f"database.url must start with postgresql://, not {scheme}://")
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if found is None or found[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row is not None else None
