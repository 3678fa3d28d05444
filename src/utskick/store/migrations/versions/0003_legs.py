"""Legs of a routed request, what is frozen at a first attempt, what is secret until settlement, and
print batches."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE messages ADD COLUMN content bytea, ADD COLUMN attachments bytea;

ALTER TABLE deliveries
    ADD COLUMN next text[] NOT NULL DEFAULT '{}',
    ADD COLUMN frozen bytea,
    ADD COLUMN secret bytea,
    ADD COLUMN print_batch uuid,
    DROP CONSTRAINT deliveries_status_check,
    ADD CONSTRAINT deliveries_status_check CHECK (status IN ('queued', 'sending', 'sent', 'delivered', 'failed', 'uncertain', 'deferred',
        'expired', 'cancelled', 'gathered', 'routed'));
CREATE INDEX deliveries_print_batch ON deliveries (print_batch, id) WHERE print_batch IS NOT NULL;

CREATE TABLE print_batches (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    channel text NOT NULL,
    batch_id uuid NOT NULL,
    sequence integer NOT NULL,
    letters integer NOT NULL DEFAULT 0,
    closes_itself boolean NOT NULL,
    close_wanted boolean NOT NULL DEFAULT false,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    UNIQUE (municipality_id, channel, batch_id, sequence)
);
CREATE TABLE vault_check (one boolean PRIMARY KEY CHECK (one), sealed bytea NOT NULL);

CREATE UNIQUE INDEX print_batches_open ON print_batches (municipality_id, channel, batch_id) WHERE closed_at IS NULL;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(TABLES)
