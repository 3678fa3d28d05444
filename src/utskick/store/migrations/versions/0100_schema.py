"""The schema of the first release: the files of ``migrations/schema``, in the order below.

These files are frozen. A change of the schema is a new revision beside this one
(``utskick.store.migrations`` says how).
"""

from pathlib import Path

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.domain.settings import DBSettings

revision = "0100"
down_revision = None
branch_labels = None
depends_on = None

#: Roles come before tables, and the feed's functions before the tables that use them.
NOUNS = (
    "tenants",
    "queue",
    "events",
    "messages",
    "history",
    "webhooks",
    "directory",
    "crypto",
    "retention",
    "administration",
)


def upgrade() -> None:
    """Create every table, index, function and policy."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    cursor.execute(QueryBuilderEnvironment(DBSettings()).build_install_query())
    schema = Path(__file__).parent.parent / "schema"
    for noun in NOUNS:
        cursor.execute((schema / f"{noun}.sql").read_text(encoding="utf-8"))
