"""Circuit breakers of all workers, and what a job that was given back waits for."""

from alembic import op

revision = "0103"
down_revision = "0102"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of open circuits, and an index of the jobs that wait for one."""
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(
        """
        -- Written when a circuit opens or closes; a worker renews its rows while it lives, and
        -- readers ignore older ones. destination: '' for the account itself.
        CREATE TABLE circuits (
            worker_id uuid NOT NULL,
            channel text NOT NULL,
            account text NOT NULL,
            destination text NOT NULL,
            since timestamptz NOT NULL,
            retry_at timestamptz NOT NULL,
            reason_code text NOT NULL,
            reason text NOT NULL,
            provider_code text,
            seen_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (worker_id, channel, account, destination)
        );

        -- Openings and closings, for operators; kept for 30 days.
        CREATE TABLE circuit_events (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at timestamptz NOT NULL,
            worker_id uuid NOT NULL,
            channel text NOT NULL,
            account text NOT NULL,
            destination text NOT NULL,
            opened boolean NOT NULL,
            reason_code text NOT NULL
        );
        CREATE INDEX circuit_events_at ON circuit_events (at);

        -- headers: channel, account and destination that a job waits for. Other jobs have none, and
        -- are not in this index.
        CREATE INDEX pgqueuer_waits ON pgqueuer (payload) WHERE headers IS NOT NULL;
        """
    )
