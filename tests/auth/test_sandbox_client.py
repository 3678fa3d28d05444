"""The sandbox's own client."""

from __future__ import annotations

import stat
from pathlib import Path

from utskick.auth import sandbox_client as kept_client
from utskick.auth.sandbox_client import SandboxClient
from utskick.auth.secret_digest import matches
from utskick.channels.registry import CHANNELS
from utskick.domain.clock import utc_now
from utskick.store.administration.clients import Clients
from utskick.store.database import Database


async def test_the_sandboxs_client_is_kept_for_its_owner_alone_and_mended_where_it_does_not_fit(
    database: Database, tmp_path: Path
) -> None:
    kept = SandboxClient(database, tuple(CHANNELS), ("2281",), utc_now)
    path = await kept.ensure(tmp_path)
    first = kept_client.read(path)
    assert first is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_client.read(await kept.ensure(tmp_path)) == first
    path.unlink()
    second = kept_client.read(await kept.ensure(tmp_path))
    assert second != first
    await kept.revoke()
    await kept.revoke()
    assert kept_client.read(await kept.ensure(tmp_path)) != second, (
        "what was revoked does not come back"
    )
    await database.pool.execute("TRUNCATE clients CASCADE")
    third = kept_client.read(await kept.ensure(tmp_path))
    client = await Clients(database).get("sandbox")
    assert client is not None
    assert third is not None
    assert matches(client.digest or "", third[1])
