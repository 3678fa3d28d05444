"""The municipality's Citizen service: where persons are registered (contract: citizen v3)."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from utskick.directory.database import told
from utskick.directory.service_client import Peer
from utskick.domain.directory_ports import Hidden, PartyKind, PostalAddress
from utskick.domain.ids import parse_id
from utskick.domain.outcome import Deferred
from utskick.outgoing.parsing import is_success
from utskick.store.directory.parties import Parties

_TYPE: Final = "POPULATION_REGISTRATION_ADDRESS"
#: What a register writes for *no*; every other word in a flag of protection counts as *yes*.
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

    def place(self) -> PostalAddress | Hidden:
        if self.protected:
            return Hidden.PROTECTED
        found = next(
            (a for a in self.addresses or () if a.address_type == _TYPE and not a.emigrated), None
        )
        if found is None:
            return Hidden.NONE
        made = PostalAddress(
            first_name=_spoken(self.givenname),
            last_name=_spoken(self.lastname),
            care_of=_spoken(found.co),
            street=_spoken(found.address),
            apartment=found.appartment_number or None,
            postal_code=found.postal_code or None,
            city=_spoken(found.city),
            country=None if found.country.casefold() in _HOME else found.country,
        )
        return made if made.is_complete else Hidden.NONE


class PopulationRegister:
    """Organisations, and those whom our own table calls protected, are not asked about there. An
    answer is neither kept nor logged."""

    def __init__(self, peer: Peer, parties: Parties) -> None:
        self._peer = peer
        self._parties = parties

    async def address(
        self, municipality_id: str, party_id: str
    ) -> PostalAddress | Hidden | Deferred:
        found = parse_id(party_id)
        if found is None:
            return Hidden.NONE
        ours = await told(self._parties.get(municipality_id, found))
        if isinstance(ours, Deferred):
            return ours
        if ours is not None and ours.protected:
            return Hidden.PROTECTED
        if ours is not None and ours.kind is PartyKind.ENTERPRISE:
            return ours.address if ours.address.is_complete else Hidden.NONE
        answer = await self._peer.get(f"/{municipality_id}/{found}?ShowClassified=false")
        if isinstance(answer, Deferred):
            return answer
        if not is_success(answer) or not answer.body:
            return Hidden.NONE
        try:
            return _Citizen.model_validate_json(answer.body).place()
        except ValidationError:
            return self._peer.garbled()


def _spoken(text: str) -> str | None:
    """``ÖSTRA STORGATAN 1B`` → ``Östra Storgatan 1B``. What is not in capitals throughout stays as
    it is: a register knows *von*."""
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
