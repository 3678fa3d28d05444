"""Configuration by unit: what a municipality, an organisation or a department says of a channel,
and how long it keeps messages."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: No organisation and no department are "". ``value`` is sealed whole: it may hold passwords and
#: keys. ``change`` numbers all changes.
ROWS = """
ALTER TABLE batches ADD COLUMN organization_number text;

CREATE SEQUENCE configuration_changes;
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
SELECT utskick_guard('configuration');
GRANT USAGE ON SEQUENCE configuration_changes TO utskick_requests;
"""

RETENTION = """
ALTER TABLE retention_rules ADD COLUMN organization_number text NOT NULL DEFAULT '', ADD COLUMN department text NOT NULL DEFAULT '';
ALTER TABLE retention_rules DROP CONSTRAINT retention_rules_pkey;
ALTER TABLE retention_rules ADD PRIMARY KEY (municipality_id, organization_number, department, message_type);
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    cursor = connection.cursor()
    for statements in (ROWS, RETENTION):
        cursor.execute(statements)
