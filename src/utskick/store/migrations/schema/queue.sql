-- PgQueuer's queue, after its own installation (0100_schema.py), and the workers that empty it.

-- Workers are notified by lane, once for each transaction; PgQueuer's trigger would notify all of
-- them for every statement.
DROP TRIGGER tg_pgqueuer_changed ON pgqueuer;

-- These indexes serve calls of PgQueuer that are not made here, and every job would be written into
-- each of them three times.
DROP INDEX pgqueuer_priority_id_id1_idx, pgqueuer_updated_id_id1_idx, pgqueuer_queue_manager_id_idx;

-- A claim (store/queue.py) reads a lane in the order of this index. With PgQueuer's two, a server
-- without fresh statistics read and sorted a whole lane for every claim.
CREATE INDEX pgqueuer_lane ON pgqueuer (entrypoint, execute_after, id) WHERE status = 'queued';
DROP INDEX pgqueuer_ep_ea_idx, pgqueuer_ep_prio_id_idx;

ALTER TABLE pgqueuer SET (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

-- Requests add jobs; workers alone change them. The municipality is the payload from byte 17 on.
GRANT SELECT, INSERT ON pgqueuer TO utskick_requests;
GRANT USAGE ON SEQUENCE pgqueuer_id_seq TO utskick_requests;
ALTER TABLE pgqueuer ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pgqueuer TO utskick_requests USING (
    substring(payload FROM 17)
    = convert_to((SELECT current_setting('utskick.municipality', true)), 'UTF8'));

CREATE TABLE workers (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    pid integer NOT NULL,
    channels text[] NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL
);
