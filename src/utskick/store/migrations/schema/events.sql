-- The events of deliveries: append-only, read in the order of commits.

-- The number of a transaction orders what it wrote before all that later ones write, and what is
-- older than every running transaction is complete: a reader that goes by (tx, id) up to there
-- misses nothing. By id alone it would pass over a transaction that commits late.
CREATE FUNCTION utskick_tx() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT pg_current_xact_id()::text::bigint + 0 $$;
CREATE FUNCTION utskick_complete_tx() RETURNS bigint LANGUAGE sql STABLE AS
    $$ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 0 $$;

-- status: what happened; became: the status that the delivery has after it, where that is another.
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    tx bigint NOT NULL DEFAULT utskick_tx(),
    municipality_id text NOT NULL,
    delivery_id uuid NOT NULL,
    attempt smallint,
    status text NOT NULL,
    became text,
    account text,
    reference text,
    reason_code text,
    reason text,
    provider_code text,
    actor text,
    at timestamptz NOT NULL
);
CREATE INDEX events_reference ON events (account, reference) WHERE reference IS NOT NULL;
CREATE INDEX events_feed ON events (municipality_id, tx, id);
-- The event before another one is the next entry of this index. Without the id in it, a server
-- without fresh statistics read all events of the municipality for each that was counted. Created
-- last: see messages.sql.
CREATE INDEX events_delivery ON events (delivery_id, id);

SELECT utskick_guard('events');
