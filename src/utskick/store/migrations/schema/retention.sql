-- Retention: rules, legal holds, the log of what was removed, and where the sweep goes on.

-- organization_number, department: '' where the rule is not of one. days: null to preserve.
CREATE TABLE retention_rules (
    municipality_id text NOT NULL,
    organization_number text NOT NULL DEFAULT '',
    department text NOT NULL DEFAULT '',
    message_type text NOT NULL,
    days integer CHECK (days BETWEEN 1 AND 36500),
    decision text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (municipality_id, organization_number, department, message_type)
);

-- Where the next sweep over a municipality's requests of one type goes on.
CREATE TABLE retention_places (
    municipality_id text NOT NULL,
    message_type text NOT NULL,
    at timestamptz,
    batch_id uuid,
    ordinal integer,
    rests_until timestamptz,
    PRIMARY KEY (municipality_id, message_type)
);

-- Where the next sweep over a municipality's files goes on.
CREATE TABLE retention_files (
    municipality_id text PRIMARY KEY,
    digest bytea NOT NULL,
    rests_until timestamptz
);

-- keys: what a message or a batch is compared by (its id), or the keyed hash that a party's
-- messages are found by.
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON retention_protocol
    EXECUTE FUNCTION utskick_protocol_append_only();

SELECT utskick_guard(t) FROM unnest(ARRAY[
    'retention_rules', 'retention_places', 'retention_files', 'holds',
    'retention_protocol']::regclass[]) t;
