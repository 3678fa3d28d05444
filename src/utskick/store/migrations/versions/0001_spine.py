"""The spine: batches, messages, deliveries, attempts, events, receipts, attachments, idempotency
keys, workers, and PgQueuer's queue.

No foreign keys between the hot tables: their rows are written together in one transaction and
removed together by retention; the keys would cost a look-up and a row lock for every row of a batch
of 100 000 (docs/explanation/adr/0004).
"""

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.domain.settings import DBSettings

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE batches (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    channel text NOT NULL,
    message_type text NOT NULL,
    priority text NOT NULL,
    origin text,
    issuer text,
    request_id text,
    department text,
    reference text,
    recipients integer NOT NULL,
    content bytea NOT NULL,
    attachments bytea,
    remarks jsonb,
    created_at timestamptz NOT NULL
);

CREATE TABLE messages (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    batch_id uuid NOT NULL,
    ordinal integer NOT NULL,
    party_key bytea,
    party bytea,
    reference text
);
CREATE INDEX messages_batch ON messages (batch_id, ordinal);
CREATE INDEX messages_party ON messages (municipality_id, party_key, id) WHERE party_key IS NOT NULL;

CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    batch_id uuid NOT NULL,
    message_id uuid NOT NULL,
    channel text NOT NULL,
    message_type text NOT NULL,
    priority text NOT NULL,
    status text NOT NULL CHECK (status IN
        ('queued', 'sending', 'sent', 'delivered', 'failed', 'uncertain', 'deferred', 'expired', 'cancelled')),
    destination bytea NOT NULL,
    awaited boolean NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    doubts smallint NOT NULL DEFAULT 0,
    tried text[] NOT NULL DEFAULT '{}',
    claim uuid,
    account text,
    reference text,
    reason_code text,
    reason text,
    provider_code text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX deliveries_batch ON deliveries (batch_id, message_id);

CREATE TABLE attempts (
    delivery_id uuid NOT NULL,
    number smallint NOT NULL,
    municipality_id text NOT NULL,
    account text NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality_id text NOT NULL,
    delivery_id uuid NOT NULL,
    attempt smallint,
    status text NOT NULL,
    account text,
    reference text,
    reason_code text,
    reason text,
    provider_code text,
    actor text,
    at timestamptz NOT NULL
);
CREATE INDEX events_delivery ON events (delivery_id);
CREATE INDEX events_reference ON events (account, reference) WHERE reference IS NOT NULL;

CREATE TABLE receipts (
    id uuid PRIMARY KEY,
    municipality_id text,
    channel text NOT NULL,
    account text NOT NULL,
    reference text,
    delivery_id uuid,
    report text NOT NULL,
    reason_code text,
    reason text,
    provider_code text,
    reported_at timestamptz,
    received_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'applied', 'superseded', 'unknown'))
);
CREATE INDEX receipts_delivery ON receipts (delivery_id);
CREATE INDEX receipts_waiting ON receipts (account, reference) WHERE state = 'waiting';

CREATE TABLE attachments (
    municipality_id text NOT NULL,
    digest bytea NOT NULL,
    size integer NOT NULL,
    data bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, digest)
);
ALTER TABLE attachments ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE idempotency_keys (
    municipality_id text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    batch_id uuid NOT NULL,
    status smallint,
    headers jsonb,
    answer bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    channels text[] NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
"""

#: We wake workers by lane, once a transaction; PgQueuer's trigger would wake all of them for every
#: statement. The three indexes
#: serve calls of PgQueuer that we do not make, and every job would be written into each of them
#: three times.
QUEUE = """
DROP TRIGGER tg_pgqueuer_changed ON pgqueuer;
DROP INDEX pgqueuer_priority_id_id1_idx, pgqueuer_updated_id_id1_idx, pgqueuer_queue_manager_id_idx;
ALTER TABLE pgqueuer SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    cursor.execute(TABLES)
    cursor.execute(QueryBuilderEnvironment(DBSettings()).build_install_query())
    cursor.execute(QUEUE)
