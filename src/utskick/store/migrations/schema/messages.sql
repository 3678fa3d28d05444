-- Batches, messages, deliveries, attempts, receipts, print batches, attachments and idempotency
-- keys.
--
-- No foreign keys between these tables: their rows are written together in one transaction and
-- removed together by retention; a key would cost a look-up and a row lock for every row of a batch
-- of 100 000 (docs/explanation/adr/0004).
--
-- Of two indexes that the planner takes for equally cheap, as it does without statistics, it uses
-- the one that was created last (docs/explanation/adr/0012): the most selective one comes last here.

-- A batch id is unique within its municipality: callers choose the ids of print batches.
CREATE TABLE batches (
    id uuid NOT NULL,
    municipality_id text NOT NULL,
    channel text NOT NULL,
    message_type text NOT NULL,
    priority text NOT NULL,
    origin text,
    issuer text,
    request_id text,
    organization_number text,
    department text,
    reference text,
    recipients integer NOT NULL,
    content bytea NOT NULL,
    attachments bytea,
    remarks jsonb,
    imported boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE INDEX batches_issuer ON batches (municipality_id, issuer, created_at, id)
    WHERE issuer IS NOT NULL;
CREATE INDEX batches_age ON batches (municipality_id, message_type, created_at, id);
ALTER TABLE batches ADD PRIMARY KEY (id, municipality_id);

-- content, attachments: null where they are those of the batch. origin and issuer are what the
-- caller states; client is the client of its token, null where none was required.
CREATE TABLE messages (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    batch_id uuid NOT NULL,
    ordinal integer NOT NULL,
    at timestamptz NOT NULL,
    origin text,
    issuer text,
    client text,
    department text,
    party_key bytea,
    party bytea,
    reference text,
    content bytea,
    attachments bytea
);
CREATE INDEX messages_batch ON messages (batch_id, ordinal);
CREATE INDEX messages_party ON messages (municipality_id, party_key, at, id)
    WHERE party_key IS NOT NULL;
CREATE INDEX messages_issuer ON messages (municipality_id, issuer, at, id) INCLUDE (batch_id)
    WHERE issuer IS NOT NULL;

-- next: the channels to fall back to. frozen: what is word for word the same at every attempt.
-- secret: what is needed until settlement and erased then. recorded, recorded_files: the content of
-- an imported delivery. A delivery is updated twice, its neighbours at the same moment: with free
-- space for all of them on the page no index has to be written (HOT updates).
CREATE TABLE deliveries (
    id uuid PRIMARY KEY,
    municipality_id text NOT NULL,
    batch_id uuid NOT NULL,
    message_id uuid NOT NULL,
    channel text NOT NULL,
    message_type text NOT NULL,
    priority text NOT NULL,
    status text NOT NULL CHECK (status IN (
        'queued', 'sending', 'sent', 'delivered', 'failed', 'uncertain', 'deferred', 'expired',
        'cancelled', 'gathered', 'routed')),
    destination bytea NOT NULL,
    awaited boolean NOT NULL,
    next text[] NOT NULL DEFAULT '{}',
    attempts smallint NOT NULL DEFAULT 0,
    doubts smallint NOT NULL DEFAULT 0,
    tried text[] NOT NULL DEFAULT '{}',
    claim uuid,
    account text,
    reference text,
    reason_code text,
    reason text,
    provider_code text,
    print_batch uuid,
    frozen bytea,
    secret bytea,
    recorded bytea,
    recorded_files bytea,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX deliveries_batch ON deliveries (batch_id, message_id);
CREATE INDEX deliveries_print_batch ON deliveries (print_batch, id) WHERE print_batch IS NOT NULL;

CREATE TABLE attempts (
    delivery_id uuid NOT NULL,
    number smallint NOT NULL,
    municipality_id text NOT NULL,
    account text NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

-- municipality_id: null until the delivery is found that the receipt concerns.
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
CREATE UNIQUE INDEX print_batches_open ON print_batches (municipality_id, channel, batch_id)
    WHERE closed_at IS NULL;
CREATE INDEX print_batches_batch ON print_batches (batch_id);

-- digest: HMAC of the file's SHA-256 (crypto/columns.py); size: of the plaintext, in bytes. The
-- data is encrypted, so compression would gain nothing.
CREATE TABLE attachments (
    municipality_id text NOT NULL,
    digest bytea NOT NULL,
    size integer NOT NULL,
    data bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, digest)
);
ALTER TABLE attachments ALTER COLUMN data SET STORAGE EXTERNAL;

-- owner: the batch or the message that refers to the file.
CREATE TABLE attachment_uses (
    municipality_id text NOT NULL,
    digest bytea NOT NULL,
    owner uuid NOT NULL,
    PRIMARY KEY (municipality_id, digest, owner)
);
CREATE INDEX attachment_uses_owner ON attachment_uses (municipality_id, owner);

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

SELECT utskick_guard(t) FROM unnest(ARRAY[
    'batches', 'messages', 'deliveries', 'attempts', 'receipts', 'print_batches', 'attachments',
    'attachment_uses', 'idempotency_keys']::regclass[]) t;
