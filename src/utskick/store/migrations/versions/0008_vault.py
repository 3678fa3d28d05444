"""The keys that seal what was said: one for each municipality and month, wrapped by those of the
settings; files sealed in pieces."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: period: '2026-01'; 'index' of the key by which parties and files are found; 'people-<n>' of
#: municipality '' of the directory's safe.
#: A key that was destroyed keeps its row, so that nobody makes another in its place. While the
#: settings' key is changed, it is wrapped by
#: the old one and by the new one.
TABLES = """
CREATE TABLE vault_keys (
    municipality_id text NOT NULL,
    period text NOT NULL,
    created_at timestamptz NOT NULL,
    destroyed_at timestamptz,
    PRIMARY KEY (municipality_id, period)
);
CREATE TABLE vault_wraps (
    municipality_id text NOT NULL,
    period text NOT NULL,
    wrapped_by text NOT NULL,
    wrapped bytea NOT NULL,
    PRIMARY KEY (municipality_id, period, wrapped_by),
    FOREIGN KEY (municipality_id, period) REFERENCES vault_keys
);

ALTER TABLE attachments ADD COLUMN sealed boolean NOT NULL DEFAULT false;
CREATE INDEX attachments_plain ON attachments (municipality_id, digest) WHERE NOT sealed;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(TABLES)
