"""What a delivery costs: jobs in the order of their time, and a delivery's events in theirs, each
found by one index."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: Our claim (store/jobs) takes a lane in this order. With the two indexes that were there, a server
#: without fresh statistics read and
#: sorted a whole lane for every claim. Nobody reads the log of claims, and it grew by a row for
#: each: a process of the release before
#: may still write to it.
QUEUE = """
CREATE INDEX pgqueuer_lane ON pgqueuer (entrypoint, execute_after, id) WHERE status = 'queued';
DROP INDEX pgqueuer_ep_ea_idx, pgqueuer_ep_prio_id_idx;
TRUNCATE pgqueuer_log;
"""

#: The event before another one is the next entry of the index. Without the id in it, a server
#: without fresh statistics looked through
#: all events of the municipality for each that came into the tallies.
EVENTS = """
DROP INDEX events_delivery;
CREATE INDEX events_delivery ON events (delivery_id, id);
"""

#: A delivery is changed twice, its neighbours at the same moment. With room for all of them on
#: their page no index has to be written.
DELIVERIES = "ALTER TABLE deliveries SET (fillfactor = 50)"


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    for statements in (QUEUE, EVENTS, DELIVERIES):
        cursor.execute(statements)
