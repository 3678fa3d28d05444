"""Count gathered letters as sent in the statistics, as the contract's word for them is now."""

from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the gathered letters of each tally to those sent: nothing else was tallied as pending."""
    op.execute(
        """
        WITH gathered AS (DELETE FROM tallies WHERE word = 'PENDING' RETURNING *)
        INSERT INTO tallies AS t (municipality_id, day, original_type, message_type, origin,
            department, word, number)
        SELECT municipality_id, day, original_type, message_type, origin, department, 'SENT', number
        FROM gathered
        ON CONFLICT (municipality_id, day, original_type, message_type, origin, department, word)
            DO UPDATE SET number = t.number + excluded.number
        """
    )
