"""The municipality's Contact Settings service: how somebody wants to be reached (contract: contact
settings 2.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from utskick.directory.service_client import Peer
from utskick.domain.directory_ports import Contact, Method
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success


class ContactRegister:
    """Delegates are followed there; each filter is a query parameter of its own (facts: contract
    6.1)."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Mapping[str, Sequence[str]]
    ) -> Sequence[Contact] | Deferred:
        found = parse_id(party_id)
        if found is None:
            return ()
        asked = [
            (name, value)
            for name, values in filters.items()
            if name != "partyId"
            for value in values
        ]
        answer = await self._peer.get(
            f"/{municipality_id}/settings?{urlencode([('partyId', str(found)), *asked])}"
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
            return self._peer.garbled()
        return list(dict.fromkeys(contacts))


def _contact(channel: Mapping[str, Any]) -> Contact:
    """A method that we do not know is told as such: the delivery says so, rather than that nobody
    wanted one."""
    word, destination = channel.get("contactMethod"), channel.get("destination")
    method = Method(word) if word in (Method.SMS, Method.EMAIL) else None
    return Contact(
        method, destination if isinstance(destination, str) else "", channel.get("disabled") is True
    )
