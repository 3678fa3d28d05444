"""Client of the municipality's Citizen service: registered addresses (contract: citizen v3)."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from utskick.directory.database import query
from utskick.directory.service_client import ServiceClient
from utskick.domain.directory_ports import Hidden, PartyKind, PostalAddress
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success
from utskick.store.directory.parties import Parties

_TYPE: Final = "POPULATION_REGISTRATION_ADDRESS"
#: Values for *no* in a protection flag; any other value counts as *yes*.
_UNPROTECTED: Final = frozenset({"", "n", "nej", "no", "false", "0"})
_HOME: Final = frozenset({"", "se", "sverige", "sweden"})
_WORD: Final = re.compile(r"[^\W\d_]+")

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value).strip())]


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _Address(_Answer):
    co: Text = ""
    address: Text = ""
    appartment_number: Text = ""
    postal_code: Text = ""
    city: Text = ""
    country: Text = ""
    emigrated: bool | None = None
    address_type: Text = ""


class _Citizen(_Answer):
    givenname: Text = ""
    lastname: Text = ""
    classified: Text = ""
    protectedNR: Text = ""
    addresses: tuple[_Address, ...] | None = None

    @property
    def protected(self) -> bool:
        return (
            self.classified.casefold() not in _UNPROTECTED
            or self.protectedNR.casefold() not in _UNPROTECTED
        )

    def postal_address(self) -> PostalAddress | Hidden:
        if self.protected:
            return Hidden.PROTECTED
        address = next(
            (a for a in self.addresses or () if a.address_type == _TYPE and not a.emigrated), None
        )
        if address is None:
            return Hidden.NONE
        result = PostalAddress(
            first_name=_mixed_case(self.givenname),
            last_name=_mixed_case(self.lastname),
            care_of=_mixed_case(address.co),
            street=_mixed_case(address.address),
            apartment=address.appartment_number or None,
            postal_code=address.postal_code or None,
            city=_mixed_case(address.city),
            country=None if address.country.casefold() in _HOME else address.country,
        )
        return result if result.is_complete else Hidden.NONE


class PopulationRegister:
    """Addresses of a remote service; responses are neither cached nor logged.

    It is not queried for organisations, nor for persons protected in our own tables.
    """

    def __init__(self, client: ServiceClient, parties: Parties) -> None:
        self._client = client
        self._parties = parties

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        party_uuid = parse_id(party_id)
        if party_uuid is None:
            return Hidden.NONE
        own = await query(self._parties.get(municipality_id, party_uuid))
        if isinstance(own, Deferred):
            return own
        if own is not None and own.protected:
            return Hidden.PROTECTED
        if own is not None and own.kind is PartyKind.ENTERPRISE:
            return own.address if own.address.is_complete else Hidden.NONE
        answer = await self._client.get(f"/{municipality_id}/{party_uuid}?ShowClassified=false")
        if isinstance(answer, Deferred):
            return answer
        if not is_success(answer) or not answer.body:
            return Hidden.NONE
        try:
            return _Citizen.model_validate_json(answer.body).postal_address()
        except ValidationError:
            return self._client.garbled()


def _mixed_case(text: str) -> str | None:
    """Convert ``ÖSTRA STORGATAN 1B`` to ``Östra Storgatan 1B``; mixed case (*von*) is kept."""
    if text != text.upper():
        return text
    return (
        " ".join(
            word
            if any(ch.isdigit() for ch in word)
            else _WORD.sub(lambda m: m[0].capitalize(), word)
            for word in text.split()
        )
        or None
    )
