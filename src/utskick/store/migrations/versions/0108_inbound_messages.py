"""Inbound messages, and the parts of those that are not whole yet."""

from alembic import op

revision = "0108"
down_revision = "0107"
branch_labels = None
depends_on = None

SQL = """
-- sender_key: keyed hash of the number. sender, body: encrypted by the key of the month. missing:
-- parts that never came. stop: the whole text is a word that asks for no more messages.
CREATE TABLE inbound_messages (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    tx bigint NOT NULL DEFAULT utskick_tx(),
    municipality_id text NOT NULL,
    message_type text NOT NULL,
    account text NOT NULL,
    recipient text NOT NULL,
    sender_key bytea NOT NULL,
    sender bytea NOT NULL,
    body bytea NOT NULL,
    missing smallint NOT NULL,
    stop boolean NOT NULL,
    received_at timestamptz NOT NULL
);
CREATE INDEX inbound_messages_sender ON inbound_messages (municipality_id, sender_key);
CREATE INDEX inbound_messages_age ON inbound_messages (municipality_id, message_type, received_at);
CREATE INDEX inbound_messages_feed ON inbound_messages (municipality_id, tx, number);

-- Parts wait here for the others. digest: keyed hash of the text, to tell a part that is repeated
-- from one of another message with the same reference.
CREATE TABLE inbound_parts (
    municipality_id text NOT NULL,
    account text NOT NULL,
    sender_key bytea NOT NULL,
    recipient text NOT NULL,
    reference integer NOT NULL,
    total smallint NOT NULL,
    part smallint NOT NULL,
    message_type text NOT NULL,
    digest bytea NOT NULL,
    sender bytea NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, account, sender_key, recipient, reference, total, part)
);
SELECT utskick_guard(t) FROM unnest(ARRAY['inbound_messages', 'inbound_parts']::regclass[]) t;
"""


def upgrade() -> None:
    """Create the tables."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(SQL)
