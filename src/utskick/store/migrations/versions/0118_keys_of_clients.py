"""Give each client idempotency keys of its own."""

from alembic import op

revision = "0118"
down_revision = "0117"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the client to the key; "" for what was stored before, and for calls without a token."""
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN client text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey")
    op.execute(
        "ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_pkey"
        " PRIMARY KEY (municipality_id, client, key)"
    )
