"""Shared fixtures: a real PostgreSQL for each xdist worker, emptied between tests."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from utskick.store import migrations
from utskick.store.crypto.cipher import Cipher
from utskick.store.crypto.vault import Vault
from utskick.store.database import Database
from utskick.store.embedded import Embedded

#: ``smbclient`` is a package, and beside it a script that impacket installs; pytest puts the folder
#: of scripts before the packages.
sys.path[:] = [folder for folder in sys.path if not Path(folder, "smbclient.py").is_file()]

_SPINE = (
    "batches, messages, deliveries, attempts, events, receipts, attachments, idempotency_keys, "
    "workers, print_batches, pgqueuer, circuits, circuit_events, part_references, "
    "inbound_messages, inbound_parts"
)
_READ = "audit_entries, audit_links, audit_heads, audit_keys, audit_positions, tallies, watermarks, webhooks, webhook_calls"
_DIRECTORY = (
    "parties, contact_settings, contact_channels, delegates, delegate_filters, filter_rules, "
    "push_subscriptions"
)
_AUTH = "clients, client_assertions, signing_keys"
_KEPT = (
    "configuration, retention_rules, retention_places, retention_files, retention_protocol, "
    "holds, attachment_uses, installation, restores"
)
TABLES = f"{_SPINE}, {_READ}, {_DIRECTORY}, {_AUTH}, {_KEPT}"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect ``tests/real`` only where it is named, as ``make test-real`` does."""
    real = Path(__file__).parent / "real"
    if collection_path != real:
        return None
    named = (Path(argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(real) for path in named) else True


def open_folder(prefix: str) -> Path:
    """Create a temporary folder that PostgreSQL's user can enter, even if the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Yield the URL of a migrated embedded server for this test process."""
    folder = open_folder("utskick-test.")
    embedded = Embedded(folder / "var")
    url = embedded.start()
    try:
        migrations.migrate(url)
        yield url
    finally:
        embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)


#: Statement to empty a table: none, DELETE, or TRUNCATE, which takes milliseconds per table.
_EMPTYING = (
    "CASE WHEN pg_relation_size('{0}') > 400000 THEN 'TRUNCATE {0} CASCADE' WHEN EXISTS "
    "(SELECT FROM {0}) THEN 'DELETE FROM {0}' END"
)
_LEFT = (
    "SELECT "
    f"array_remove(ARRAY[{', '.join(_EMPTYING.format(table) for table in TABLES.split(', '))}], "
    "NULL)"
)


async def clear(database: Database) -> None:
    """Delete the rows left by earlier tests."""
    async with database.transaction() as connection:
        await connection.execute(
            "SET LOCAL session_replication_role = replica"
            # Disables foreign keys and append-only triggers.
        )
        for statement in await connection.fetchval(_LEFT):
            await connection.execute(statement)


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    """Yield an empty database."""
    opened = Database(server, size=8, vault=Vault(Cipher([bytes(32)])))
    await opened.open()
    await clear(opened)
    yield opened
    await opened.close()
