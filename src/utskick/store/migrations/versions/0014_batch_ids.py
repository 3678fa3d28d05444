"""A batch's id is its municipality's own: callers choose it for print batches, and two
municipalities may choose alike."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = """
CREATE UNIQUE INDEX batches_key ON batches (id, municipality_id);
ALTER TABLE batches DROP CONSTRAINT batches_pkey, ADD CONSTRAINT batches_pkey PRIMARY KEY USING INDEX batches_key;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(KEY)
