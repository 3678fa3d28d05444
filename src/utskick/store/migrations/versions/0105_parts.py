"""References of the parts of a message, and what workers find of their provider accounts."""

from alembic import op

revision = "0105"
down_revision = "0104"
branch_labels = None
depends_on = None

SQL = """
-- Ids that a provider gave the parts of one message, where it reports on each by itself; messages
-- of one part have no rows here.
CREATE TABLE part_references (
    delivery_id uuid NOT NULL,
    attempt smallint NOT NULL,
    part smallint NOT NULL,
    municipality_id text NOT NULL,
    account text NOT NULL,
    reference text NOT NULL,
    PRIMARY KEY (delivery_id, attempt, part)
);
CREATE INDEX part_references_reference ON part_references (account, reference, delivery_id);
SELECT utskick_guard('part_references');

-- health: of each account, by channel and account, as this worker found it; null before its first
-- check.
ALTER TABLE workers ADD COLUMN health jsonb;
"""


def upgrade() -> None:
    """Create the table and the column."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(SQL)
