"""The municipality's Party, Citizen and Contact Settings services, as their contracts describe
them, on 127.0.0.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.contracts.provider import PATIENCE, SECRET

PROBLEM = "application/problem+json"


class Neighbourhood:
    """All three on one port, each under a path of its own. ``calls``: method and path with query,
    in order."""

    def __init__(self) -> None:
        self.persons: dict[str, str] = {}
        self.organizations: dict[str, str] = {}
        self.citizens: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.asked: list[list[str]] = []
        self.tokens = 0
        self.valid: set[str] = set()
        self.life = 3600
        self.delay = 0.0
        self.instead: Callable[[web.Request], web.StreamResponse | None] = lambda request: None

    async def open(self) -> Neighbourhood:
        app = web.Application(middlewares=[self._guard])
        app.router.add_post("/token", self._token)
        app.router.add_post("/party/{mid}/PRIVATE/legalIds", self._legal_ids)
        app.router.add_get("/party/{mid}/{type}/{party}/legalId", self._legal_id)
        app.router.add_get("/citizen/{mid}/{person}", self._citizen)
        app.router.add_get("/contacts/{mid}/settings", self._settings)
        self.server = TestServer(app, host="127.0.0.1")
        await self.server.start_server()
        return self

    async def close(self) -> None:
        await self.server.close()

    def section(self, **more: Any) -> dict[str, Any]:
        """``[directory]`` with all three remote."""
        base = str(self.server.make_url("/"))
        login = {
            "token_url": base + "token",
            "client_id": "utskick",
            "client_secret": SECRET,
            **PATIENCE,
        }
        remote = {name: {"url": base + path, **login, **more} for name, path in PATHS.items()}
        return {"parties": "remote", "addresses": "remote", "contacts": "remote", "remote": remote}

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        if request.path != "/token":
            self.calls.append(f"{request.method} {request.path_qs}")
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
                return web.json_response(
                    {"title": "Unauthorized"}, status=401, content_type=PROBLEM
                )
            await asyncio.sleep(self.delay)
        instead = self.instead(request)
        return instead if instead is not None else await handler(request)

    async def _token(self, request: web.Request) -> web.Response:
        assert (await request.post())["grant_type"] == "client_credentials"
        assert request.headers["Authorization"].startswith("Basic ")
        self.tokens += 1
        self.valid.add(f"token-{self.tokens}")
        return web.json_response(
            {
                "access_token": f"token-{self.tokens}",
                "token_type": "bearer",
                "expires_in": self.life,
            }
        )

    async def _legal_ids(self, request: web.Request) -> web.Response:
        ids = orjson.loads(await request.read())
        assert len(ids) <= 1000
        assert all(UUID(each) for each in ids)
        self.asked.append(ids)
        return web.json_response({each: self.persons[each] for each in ids if each in self.persons})

    async def _legal_id(self, request: web.Request) -> web.Response:
        known = {"PRIVATE": self.persons, "ENTERPRISE": self.organizations}[
            request.match_info["type"]
        ]
        found = known.get(request.match_info["party"])
        return (
            web.Response(text=found)
            if found
            else web.json_response({"title": "Not Found"}, status=404, content_type=PROBLEM)
        )

    async def _citizen(self, request: web.Request) -> web.Response:
        assert request.query == {"ShowClassified": "false"}
        found = self.citizens.get(request.match_info["person"])
        return web.json_response(found) if found else web.Response(status=204)

    async def _settings(self, request: web.Request) -> web.Response:
        found = self.settings.get(request.query["partyId"])
        return (
            web.json_response(found)
            if found is not None
            else web.json_response({"title": "Not Found"}, status=404, content_type=PROBLEM)
        )


PATHS = {"party": "party", "citizen": "citizen", "contact_settings": "contacts"}


def citizen(**members: Any) -> dict[str, Any]:
    registered = {
        "addressType": "POPULATION_REGISTRATION_ADDRESS",
        "co": None,
        "address": "ÖSTRA STORGATAN 1B",
        "appartmentNumber": "1102",
        "postalCode": "852 30",
        "city": "SUNDSVALL",
        "country": "SVERIGE",
        "emigrated": False,
    }
    return {
        "givenname": "ANNA-KARIN",
        "lastname": "ÅS",
        "classified": None,
        "protectedNR": "N",
        "addresses": [registered],
        **members,
    }
