"""Client of the municipality's Contact Settings service (contract: contact settings 2.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from utskick.directory.service_client import ServiceClient
from utskick.domain.directory_ports import Contact, Method
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success


class ContactRegister:
    """Contact settings of a remote service, which follows delegates itself.

    Each filter is passed as a query parameter (facts: contract 6.1).
    """

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        party = parse_id(party_id)
        if party is None:
            return ()
        parameters = [
            (name, value)
            for name, values in filters.items()
            if name != "partyId"
            for value in values
        ]
        answer = await self._client.get(
            f"/{municipality_id}/settings?{urlencode([('partyId', str(party)), *parameters])}"
        )
        if isinstance(answer, Deferred):
            return answer
        if not is_success(answer) or not answer.body:
            return ()
        try:
            contacts = [
                _contact(channel)
                for setting in orjson.loads(answer.body)
                for channel in setting.get("contactChannels") or ()
            ]
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            return self._client.garbled()
        return list(dict.fromkeys(contacts))


def _contact(channel: Mapping[str, Any]) -> Contact:
    """Convert a contact channel; an unknown method is None, so that the delivery reports it."""
    word, destination = channel.get("contactMethod"), channel.get("destination")
    method = Method(word) if word in (Method.SMS, Method.EMAIL) else None
    return Contact(
        method, destination if isinstance(destination, str) else "", channel.get("disabled") is True
    )
