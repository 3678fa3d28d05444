"""The audit trail: entries, written with what they tell of, and the chain that is put over them in
the order of commits."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE audit_entries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    tx bigint NOT NULL DEFAULT utskick_tx(),
    municipality_id text NOT NULL,
    at timestamptz NOT NULL,
    action text NOT NULL,
    client text,
    origin text,
    issuer text,
    address text,
    request_id text,
    subject jsonb NOT NULL
);
CREATE INDEX audit_entries_feed ON audit_entries (municipality_id, tx, id);

CREATE TABLE audit_links (
    municipality_id text NOT NULL,
    number bigint NOT NULL,
    tx bigint NOT NULL,
    entry_id bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (municipality_id, number)
);

CREATE FUNCTION utskick_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries EXECUTE FUNCTION utskick_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_links EXECUTE FUNCTION utskick_append_only();
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(TABLES)
