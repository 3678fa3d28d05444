"""Let a revocation end the tokens that a client has, too."""

from alembic import op

revision = "0117"
down_revision = "0109"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the time before which issued tokens are refused; NULL: none is."""
    op.execute("ALTER TABLE clients ADD COLUMN tokens_from timestamptz")
