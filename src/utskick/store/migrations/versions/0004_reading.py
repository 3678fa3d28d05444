"""What reading stands on: messages by time, caller and person; events in the order of commits;
tallies; another system's records."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MESSAGES = """
ALTER TABLE messages ADD COLUMN at timestamptz, ADD COLUMN origin text, ADD COLUMN issuer text, ADD COLUMN department text;
UPDATE messages m SET at = b.created_at, department = b.department,
    origin = CASE WHEN b.message_type <> 'PRINT_BATCH' THEN b.origin END,
    issuer = CASE WHEN b.message_type <> 'PRINT_BATCH' THEN b.issuer END
FROM batches b WHERE b.id = m.batch_id;
ALTER TABLE messages ALTER COLUMN at SET NOT NULL;
DROP INDEX messages_party;
CREATE INDEX messages_party ON messages (municipality_id, party_key, at, id) WHERE party_key IS NOT NULL;
CREATE INDEX messages_issuer ON messages (municipality_id, issuer, at, id) INCLUDE (batch_id) WHERE issuer IS NOT NULL;

ALTER TABLE batches ADD COLUMN imported boolean NOT NULL DEFAULT false;
CREATE INDEX batches_issuer ON batches (municipality_id, issuer, created_at, id) WHERE issuer IS NOT NULL;

ALTER TABLE deliveries ADD COLUMN recorded bytea, ADD COLUMN recorded_files bytea;
"""

#: A transaction's number orders what it wrote before all that later ones write, and what is older
#: than every running transaction
#: is complete: a reader that goes by (tx, id) up to there misses nothing. By id alone it would pass
#: over one that commits late.
EVENTS = """
CREATE FUNCTION utskick_tx() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT pg_current_xact_id()::text::bigint + 0 $$;
CREATE FUNCTION utskick_complete_tx() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 0 $$;
ALTER TABLE events ADD COLUMN became text, ADD COLUMN tx bigint NOT NULL DEFAULT 0, DROP CONSTRAINT events_pkey;
ALTER TABLE events ALTER COLUMN tx SET DEFAULT utskick_tx();
CREATE INDEX events_feed ON events (municipality_id, tx, id);
"""

TALLIES = """
CREATE TABLE tallies (
    municipality_id text NOT NULL,
    day date NOT NULL,
    original_type text NOT NULL,
    message_type text NOT NULL,
    origin text NOT NULL,
    department text NOT NULL,
    word text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (municipality_id, day, original_type, message_type, origin, department, word)
);
CREATE TABLE watermarks (
    name text NOT NULL,
    municipality_id text NOT NULL,
    tx bigint NOT NULL,
    PRIMARY KEY (name, municipality_id)
);
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    for statements in (MESSAGES, EVENTS, TALLIES):
        cursor.execute(statements)
