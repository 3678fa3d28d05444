"""Identity of the database, restores, and the probe of its storage."""

from alembic import op

revision = "0102"
down_revision = "0101"
branch_labels = None
depends_on = None

SQL = """
-- One row: the database as the service knew it last. incarnation: changes with every restore.
-- ticks, seen_at: how far it had come then. synchronous: a commit was confirmed by a standby.
CREATE TABLE installation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    incarnation uuid NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid oid NOT NULL,
    timeline bigint NOT NULL,
    synchronous boolean NOT NULL,
    ticks bigint NOT NULL,
    seen_at timestamptz NOT NULL
);

-- incarnation: that which ended with the restore. database_until, marker_until: the last moment
-- that the database and that the node which noticed had seen; between them everything is unknown.
CREATE TABLE restores (
    id uuid PRIMARY KEY,
    incarnation uuid,
    detected_at timestamptz NOT NULL,
    reason text NOT NULL,
    database_until timestamptz,
    marker_until timestamptz,
    held integer NOT NULL,
    released_at timestamptz
);

-- Letters of a held batch are not handed over.
ALTER TABLE print_batches ADD COLUMN held boolean NOT NULL DEFAULT false;

-- Emptied and written again by each check of the storage, so that the disk must have room for it.
CREATE TABLE storage_probe (filler bytea NOT NULL);
ALTER TABLE storage_probe ALTER COLUMN filler SET STORAGE PLAIN;
"""


def upgrade() -> None:
    """Create the tables."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(SQL)
