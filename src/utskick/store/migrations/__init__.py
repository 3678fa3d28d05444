"""The schema, revision by revision, as SQL.

Run by ``utskick migrate``, and by ``utskick serve`` on the embedded database. Revision ``0100`` is
the schema of the first release: the files of ``schema/``, which do not change any more. From there
on migrations only add: a change is a new file ``versions/0101_<noun>.py`` with its own SQL and
``down_revision`` set to the revision before. It must run while processes of the release before it
are serving: new tables, new nullable columns or columns with a default, new indexes.
"""

from __future__ import annotations

from pathlib import Path

from utskick.domain.errors import DatabaseFault

#: The oldest supported major version of PostgreSQL.
OLDEST = 14

#: The first revision of a release; pre-releases had 0001 to 0014.
_FIRST = "0100"


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the schema to this release's revision.

    Returns (revision before, revision after). Raises ``DatabaseFault``.
    """
    before = _revision(url)
    _refuse_foreign(before)
    if before != head():
        # Alembic takes a quarter of a second to import, and seldom has anything to do.
        from utskick.store.migrations.upgrading import upgrade

        before = upgrade(url, _refuse_foreign)
    return before, head()


def head() -> str:
    """Return the revision that this release needs."""
    return max(_revisions())


def known(revision: str) -> bool:
    """Return whether this release has the revision."""
    return revision in _revisions()


def _revisions() -> set[str]:
    """Return all revisions: the names of their files begin with them."""
    versions = Path(__file__).parent / "versions"
    return {path.stem[:4] for path in versions.glob("[0-9][0-9][0-9][0-9]_*.py")}


def check(revision: str | None) -> None:
    """Raise ``DatabaseFault`` where a database of this revision cannot be served.

    Its sentence says what to do.
    """
    if revision is None:
        raise DatabaseFault("the database has no Utskick schema yet: run `utskick migrate`")
    _refuse_foreign(revision)
    if revision != head():
        raise DatabaseFault(
            f"the database is at schema {revision}, this release needs {head()}: "
            "run `utskick migrate`"
        )


def _refuse_foreign(revision: str | None) -> None:
    """Raise ``DatabaseFault`` for a revision of a pre-release or of a newer release."""
    if revision is None or known(revision):
        return
    if revision < _FIRST:
        raise DatabaseFault(
            f"the database has schema {revision} of a pre-release of Utskick, which nothing can "
            "migrate: start with an empty database or data folder, and keep the old one with the "
            "release that wrote it to export from"
        )
    raise DatabaseFault(
        f"the database has schema {revision}, which this release (schema {head()}) does not know: "
        "it was written by a newer Utskick. Run that release, or restore a backup from before the "
        "upgrade"
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
