"""Give the audit log to a role of its own, with signed heads and positions of what was exported."""

from alembic import op

revision = "0119"
down_revision = "0118"
branch_labels = None
depends_on = None

_TABLES = """
ALTER TABLE audit_entries ADD COLUMN who bytea;

-- The keys that sign the heads and the exports; the newest signs. sealed: encrypted by the vault.
CREATE TABLE audit_keys (
    id text PRIMARY KEY,
    sealed bytea NOT NULL,
    public bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- The last link of each chain on each day, signed.
CREATE TABLE audit_heads (
    municipality_id text NOT NULL,
    day date NOT NULL,
    number bigint NOT NULL,
    digest bytea NOT NULL,
    key text NOT NULL,
    signature bytea NOT NULL,
    PRIMARY KEY (municipality_id, day)
);

-- How far the log has been sent to the syslog server.
CREATE TABLE audit_positions (
    municipality_id text PRIMARY KEY,
    number bigint NOT NULL DEFAULT 0,
    head date NOT NULL DEFAULT '-infinity',
    fault text,
    since timestamptz
);
SELECT utskick_guard(t) FROM unnest(ARRAY['audit_heads', 'audit_positions']::regclass[]) t;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_heads
    EXECUTE FUNCTION utskick_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_entries
    EXECUTE FUNCTION utskick_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_links
    EXECUTE FUNCTION utskick_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_heads
    EXECUTE FUNCTION utskick_append_only();
"""

# SECURITY INVOKER: it works for whoever may create the role and give the tables away, and an
# administrator can run it later: SELECT utskick_protect_audit('<login of the service>').
_FUNCTION = """
CREATE FUNCTION utskick_protect_audit(login name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    audited text;
    joined boolean := false;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'utskick_audit') THEN
        BEGIN
            CREATE ROLE utskick_audit NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT utskick_audit TO %I', current_user);
        joined := true;
    END IF;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO utskick_audit', current_schema());
    FOREACH audited IN ARRAY ARRAY['audit_entries', 'audit_links', 'audit_heads'] LOOP
        EXECUTE format('ALTER TABLE %I OWNER TO utskick_audit', audited);
        EXECUTE format('REVOKE ALL ON %I FROM utskick_requests, %I', audited, login);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO utskick_requests, %I', audited, login);
        EXECUTE format('DROP POLICY IF EXISTS service ON %I', audited);
        EXECUTE format(
            'CREATE POLICY service ON %I TO %I USING (true) WITH CHECK (true)', audited, login);
    END LOOP;
    ALTER FUNCTION utskick_append_only() OWNER TO utskick_audit;
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM utskick_audit', current_schema());
    IF joined THEN
        EXECUTE format('REVOKE utskick_audit FROM %I', current_user);
    END IF;
END $$;
"""

# Where this login may not, the log stays its own, and `utskick check` says so and what to do.
_PROTECT = """
DO $$ BEGIN
    PERFORM utskick_protect_audit(current_user);
EXCEPTION WHEN insufficient_privilege THEN
    REVOKE UPDATE, DELETE ON audit_entries, audit_links, audit_heads FROM utskick_requests;
END $$;
"""


def upgrade() -> None:
    """Add the tables, and hand the log over where this login may."""
    op.execute(_TABLES)
    op.execute(_FUNCTION)
    op.execute(_PROTECT)
