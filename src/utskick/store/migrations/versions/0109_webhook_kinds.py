"""Let a webhook be told of inbound messages instead of deliveries."""

from alembic import op

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the kind: which feed the webhook's position is in."""
    op.execute(
        "ALTER TABLE webhooks ADD COLUMN kind text NOT NULL DEFAULT 'deliveries'"
        " CHECK (kind IN ('deliveries', 'inbound'))"
    )
