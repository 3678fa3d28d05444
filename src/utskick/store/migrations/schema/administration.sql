-- The audit log, the configuration of units, and the clients and keys of the embedded issuer.

-- Entries are written in the transaction of what they record.
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

-- The hash chain over the entries, in the order of commits.
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries
    EXECUTE FUNCTION utskick_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_links
    EXECUTE FUNCTION utskick_append_only();

-- organization_number, department: '' where the section is not of one. value: encrypted whole,
-- since it may hold passwords and keys. change: numbers all changes.
CREATE SEQUENCE configuration_changes;
GRANT USAGE ON SEQUENCE configuration_changes TO utskick_requests;
CREATE TABLE configuration (
    municipality_id text NOT NULL,
    organization_number text NOT NULL DEFAULT '',
    department text NOT NULL DEFAULT '',
    section text NOT NULL,
    value bytea NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    change bigint NOT NULL DEFAULT nextval('configuration_changes'),
    PRIMARY KEY (municipality_id, organization_number, department, section)
);

SELECT utskick_guard(t)
FROM unnest(ARRAY['audit_entries', 'audit_links', 'configuration']::regclass[]) t;

-- The three tables below belong to no municipality: a client may act for several, and the signing
-- keys are the service's own.
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
