"""Whose a webhook is, and who sent a message: the client of the token, beside what a caller says of
itself."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: '' and null: nobody was asked for a token.
COLUMNS = """
ALTER TABLE webhooks ADD COLUMN client text NOT NULL DEFAULT '';
DROP INDEX webhooks_origin;
CREATE INDEX webhooks_owner ON webhooks (municipality_id, origin, client);
ALTER TABLE messages ADD COLUMN client text;
"""


def upgrade() -> None:
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.cursor().execute(COLUMNS)
