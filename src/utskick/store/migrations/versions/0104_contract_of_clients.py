"""Let a client be marked as strict: its answers are exactly the contract's."""

from alembic import op

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE clients ADD COLUMN contract text NOT NULL DEFAULT 'open'"
        " CHECK (contract IN ('open', 'strict'))"
    )
