"""Clients of the embedded issuer, the keys that it signs with, and the assertions that were used.

None of them is of one municipality: a client may stand for several, and the keys are the service's
own.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE clients (
    id text PRIMARY KEY,
    municipalities text[] NOT NULL,
    scopes text[] NOT NULL,
    secret_digest text,
    old_secret_digest text,
    old_secret_until timestamptz,
    public_keys jsonb,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    used_at timestamptz
);

CREATE TABLE client_assertions (
    client_id text NOT NULL REFERENCES clients ON DELETE CASCADE,
    digest bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, digest)
);
CREATE INDEX client_assertions_age ON client_assertions (expires_at);

CREATE TABLE signing_keys (
    id text PRIMARY KEY,
    sealed bytea NOT NULL,
    public jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL
);
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(TABLES)
