"""Retention: rules, holds, the protocol of what was removed, and which messages a stored file
belongs to."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: ``days`` null: preserve. A place is where the next look over a municipality's requests of one
#: type goes on.
RULES = """
CREATE TABLE retention_rules (
    municipality_id text NOT NULL,
    message_type text NOT NULL,
    days integer CHECK (days BETWEEN 1 AND 36500),
    decision text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, message_type)
);
CREATE TABLE retention_places (
    municipality_id text NOT NULL,
    message_type text NOT NULL,
    at timestamptz,
    batch_id uuid,
    ordinal integer,
    rests_until timestamptz,
    PRIMARY KEY (municipality_id, message_type)
);
CREATE TABLE retention_files (municipality_id text PRIMARY KEY, digest bytea NOT NULL, rests_until timestamptz);
CREATE INDEX batches_age ON batches (municipality_id, message_type, created_at, id);
CREATE INDEX print_batches_batch ON print_batches (batch_id);
"""

#: ``keys``: what a message or a batch is compared by (its id), or all under which a party may stand
#: in messages.
HOLDS = """
CREATE TABLE holds (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('party', 'message', 'batch')),
    keys bytea[],
    subject bytea,
    reason bytea,
    reference text,
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL,
    lifted_by text,
    lifted_at timestamptz,
    PRIMARY KEY (municipality_id, id),
    CHECK (lifted_at IS NOT NULL OR (keys IS NOT NULL AND subject IS NOT NULL))
);
CREATE INDEX holds_active ON holds (municipality_id) WHERE lifted_at IS NULL;
"""

PROTOCOL = """
CREATE TABLE retention_protocol (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id text NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('retention', 'erasure')),
    message_type text,
    days integer,
    decision text,
    actor text,
    reference text,
    messages integer NOT NULL,
    deliveries integer NOT NULL,
    batches integer NOT NULL,
    files integer NOT NULL,
    entries integer NOT NULL,
    oldest timestamptz,
    newest timestamptz
);
CREATE INDEX retention_protocol_municipality ON retention_protocol (municipality_id, id);
CREATE FUNCTION utskick_protocol_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the protocol of retention is append-only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON retention_protocol EXECUTE FUNCTION utskick_protocol_append_only();
"""

#: ``owner``: the batch or the message that names the file; ``digest``: as the file stands in
#: ``attachments``. What was stored plain can
#: be read here. Who refers to files that stand sealed already cannot be told without keys: they get
#: an owner that never goes.
USES = """
CREATE TABLE attachment_uses (
    municipality_id text NOT NULL,
    digest bytea NOT NULL,
    owner uuid NOT NULL,
    PRIMARY KEY (municipality_id, digest, owner)
);
CREATE INDEX attachment_uses_owner ON attachment_uses (municipality_id, owner);
INSERT INTO attachment_uses (municipality_id, digest, owner)
SELECT n.municipality_id, decode(f ->> 'digest', 'hex'), n.owner
FROM (
    SELECT municipality_id, id AS owner, attachments AS names FROM batches WHERE attachments IS NOT NULL
    UNION ALL SELECT municipality_id, id, attachments FROM messages WHERE attachments IS NOT NULL
    UNION ALL SELECT municipality_id, message_id, recorded_files FROM deliveries WHERE recorded_files IS NOT NULL) n
CROSS JOIN LATERAL jsonb_array_elements(
    CASE WHEN substring(n.names FROM 1 FOR 1) <> '\\xf8'::bytea THEN convert_from(n.names, 'UTF8')::jsonb ELSE '[]'::jsonb END) f
ON CONFLICT DO NOTHING;
INSERT INTO attachment_uses (municipality_id, digest, owner)
SELECT municipality_id, digest, '00000000-0000-0000-0000-000000000000' FROM attachments WHERE sealed;
"""


GUARD = """
SELECT utskick_guard(t) FROM unnest(ARRAY['retention_rules', 'retention_places', 'retention_files', 'holds', 'retention_protocol',
    'attachment_uses']::regclass[]) t;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    for statements in (RULES, HOLDS, PROTOCOL, USES, GUARD):
        cursor.execute(statements)
