"""Webhooks: who is told, up to which place in the feed, and the call to each that is under way."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: (tx, event_id): everything up to there has been put into calls. due_at: when it may be looked at
#: again, also the end of a claim.
TABLES = """
CREATE TABLE webhooks (
    municipality_id text NOT NULL,
    id uuid NOT NULL,
    origin text NOT NULL,
    url bytea NOT NULL,
    statuses text[] NOT NULL,
    description text,
    secret bytea NOT NULL,
    old_secret bytea,
    old_secret_until timestamptz,
    created_at timestamptz NOT NULL,
    tx bigint NOT NULL,
    event_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    claim uuid,
    stopped text CHECK (stopped IN ('gone', 'exhausted')),
    stopped_at timestamptz,
    succeeded_at timestamptz,
    failed_at timestamptz,
    fault jsonb,
    PRIMARY KEY (municipality_id, id)
);
CREATE INDEX webhooks_origin ON webhooks (municipality_id, origin);
CREATE INDEX webhooks_due ON webhooks (due_at) WHERE stopped IS NULL;

CREATE TABLE webhook_calls (
    municipality_id text NOT NULL,
    webhook_id uuid NOT NULL,
    id uuid NOT NULL,
    body bytea NOT NULL,
    events smallint NOT NULL,
    failures smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (municipality_id, webhook_id),
    FOREIGN KEY (municipality_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(TABLES)
