"""The audit log over the API: its own scope, page by page, of one municipality, and recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http import tokens
from tests.http.audit.test_audit import chained
from tests.http.conftest import Client, serving
from utskick.store.administration.audit import Audit
from utskick.store.database import Database


@pytest.fixture
async def client(database: Database, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(database, tmp_path, work=False) as found:
        yield found


async def test_it_is_read_page_by_page_in_the_order_of_the_chain(
    client: Client, database: Database
) -> None:
    await chained(database, 6)
    found, after = list[dict[str, object]](), 0
    while True:
        page = (await client.get(f"/2281/audit?after={after}&limit=3")).json
        found += page["entries"]
        after = page["next"]
        if not page["more"]:
            break
    head = (await Audit(database).verify("2281")).head
    assert [entry["number"] for entry in found] == list(range(1, head.number + 1))
    assert found[-1]["digest"] == head.digest.hex()
    sends = [entry for entry in found if entry["action"] == "send"]
    assert [entry["subject"] for entry in sends] == [{"n": n, "å": "ö"} for n in range(6)]
    assert {(entry["issuer"], entry["address"]) for entry in sends} == {("joe01doe", "127.0.0.1")}
    empty = (await client.get(f"/2281/audit?after={after}")).json
    assert empty == {"entries": [], "next": after, "more": False}
    reads = [e for e in await Audit(database).last("2281", 10) if e["action"] == "read-audit"]
    assert reads[0]["subject"] == {"operation": "getAuditLog", "after": str(after)}


async def test_another_municipality_has_another_log(client: Client, database: Database) -> None:
    await chained(database, 2)
    assert "joe01doe" not in (await client.get("/2262/audit")).text


async def test_it_takes_a_scope_of_its_own(client: Client, database: Database) -> None:
    allowed = [scope for scope in tokens.EVERYTHING if scope != "audit:read"]
    await tokens.client_of(database, "admin", allowed=allowed)
    token = await tokens.fetched(client._session, client.running.api_url, "admin")
    narrow = Client(client.running, client._session, token)
    answer = await narrow.get("/2281/audit")
    assert (answer.status, answer.json["scope"]) == (403, "audit:read")


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=1001"])
async def test_what_is_out_of_range_is_refused(client: Client, query: str) -> None:
    answer = await client.get(f"/2281/audit?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["violations"][0]["field"]
