-- Row-level security: the role that serves requests sees the rows of the municipality its session
-- is bound to, and no others. Where this user may not create roles, an administrator creates the
-- role once; the error says how.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'utskick_requests') THEN
        BEGIN
            CREATE ROLE utskick_requests NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION
                    'the role utskick_requests is missing, and this user may not create roles'
                    USING HINT = 'let an administrator run: CREATE ROLE utskick_requests NOLOGIN; '
                        || 'GRANT utskick_requests TO ' || quote_ident(current_user);
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'utskick_requests', 'MEMBER') THEN
        EXECUTE format('GRANT utskick_requests TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO utskick_requests', current_schema());
END $$;

-- Call it for every table that has a municipality_id, in this and in every later revision. The
-- tables of keys are the exception: requests read them through the engine alone. The setting is in
-- a sub-select so that it is read once for each statement and not for each row.
CREATE FUNCTION utskick_guard(guarded regclass) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO utskick_requests', guarded);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO utskick_requests'
            ' USING (municipality_id = (SELECT current_setting(%L, true)))',
        guarded, 'utskick.municipality');
END $$;
