"""What a hand-over of letters has come to, on its print batch."""

from alembic import op

revision = "0107"
down_revision = "0105"
branch_labels = None
depends_on = None

SQL = """
-- failing_since, retry_at: the first failed try of the hand-over, and its next one. ended_at: when
-- it had an outcome that is not tried again, or was found to have no letters.
ALTER TABLE print_batches ADD COLUMN failing_since timestamptz, ADD COLUMN retry_at timestamptz,
    ADD COLUMN ended_at timestamptz;

UPDATE print_batches p SET ended_at = closed_at WHERE closed_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM deliveries d WHERE d.batch_id = p.id AND d.municipality_id = p.municipality_id
        AND d.status IN ('queued', 'sending', 'deferred', 'uncertain'));

UPDATE print_batches p SET failing_since = d.updated_at FROM deliveries d
WHERE p.closed_at IS NOT NULL AND p.ended_at IS NULL AND d.batch_id = p.id
    AND d.municipality_id = p.municipality_id AND d.reason_code IS NOT NULL;

-- Few rows: what is being handed over, and what was hard to hand over.
CREATE INDEX print_batches_under_way ON print_batches (closed_at)
    WHERE closed_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX print_batches_failing ON print_batches (failing_since)
    WHERE failing_since IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns, and the indexes of what is under way."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(SQL)
