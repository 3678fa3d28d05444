"""Row-level security: the role that answers requests sees the rows of the municipality that its
session is bound to, and no others."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: On a server where this user may make no roles, an administrator makes it once; the message says
#: how.
ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'utskick_requests') THEN
        BEGIN
            CREATE ROLE utskick_requests NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'the role utskick_requests is missing, and this user may not create roles'
                    USING HINT = 'let an administrator run: CREATE ROLE utskick_requests NOLOGIN; GRANT utskick_requests TO '
                        || quote_ident(current_user);
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'utskick_requests', 'MEMBER') THEN
        EXECUTE format('GRANT utskick_requests TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO utskick_requests', current_schema());
END $$;
"""

#: For the tables of this and of every later migration; keys are the engine's alone. The
#: municipality is read once for each statement, not
#: for each row.
GUARD = """
CREATE FUNCTION utskick_guard(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO utskick_requests', guarded);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format('CREATE POLICY tenant ON %s TO utskick_requests USING (municipality_id = (SELECT current_setting(%L, true)))',
        guarded, 'utskick.municipality');
END $$;

SELECT utskick_guard(c.oid::regclass) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attname = 'municipality_id' AND NOT a.attisdropped
    AND c.relname NOT LIKE 'vault_%';

GRANT SELECT, INSERT ON pgqueuer TO utskick_requests;
ALTER TABLE pgqueuer ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pgqueuer TO utskick_requests
    USING (substring(payload FROM 17) = convert_to((SELECT current_setting('utskick.municipality', true)), 'UTF8'));
DO $$ BEGIN EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO utskick_requests', current_schema()); END $$;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    cursor.execute(ROLE)
    cursor.execute(GUARD)
