"""The real channel in front of a folder, and batches to hand over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from tests.channels.snail_mail.pdfs import letter
from utskick.channels.snail_mail.channel import SnailMailChannel, build
from utskick.channels.snail_mail.settings import SnailMailSettings
from utskick.domain.attachment import Attachment
from utskick.domain.channel import Draft
from utskick.domain.directory_ports import Contact, Hidden, LegalId, Neighbours, PostalAddress
from utskick.domain.ids import new_id
from utskick.domain.outcome import Deferred
from utskick.domain.recipient import Recipient

BATCH = "0190b1c2-0000-7000-8000-000000000001"
ANNA = {
    "firstName": "Anna",
    "lastName": "Åberg",
    "address": "Storgatan 1",
    "apartmentNumber": "1101",
    "zipCode": "852 30",
    "city": "Sundsvall",
}
PDF = letter()
Found = PostalAddress | Hidden | Deferred


class People:
    """A directory of the test: addresses by party."""

    def __init__(self, **known: Found) -> None:
        self.known = known
        self.asked: list[tuple[str, str]] = []

    async def address(self, municipality_id: str, party_id: str) -> Found:
        self.asked.append((municipality_id, party_id))
        return self.known.get(party_id, Hidden.NONE)

    async def legal_ids(self, municipality_id: str, party_ids: Sequence[str]) -> dict[str, LegalId]:
        return {}

    async def contacts(
        self, municipality_id: str, party_id: str, filters: Any
    ) -> Sequence[Contact]:
        return ()


class NoDevices:
    """``Subscriptions`` that letters never ask."""

    async def of(self, municipality_id: str, party_id: str) -> tuple[()]:
        return ()

    async def get(self, municipality_id: str, subscription_id: str) -> None:
        return None

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        raise NotImplementedError

    async def add(self, municipality_id: str, party_id: str, kind: str, address: Any) -> str:
        raise NotImplementedError


def channel(people: People | None = None, **section: Any) -> SnailMailChannel:
    return build(
        SnailMailSettings.model_validate(section), Neighbours(people or People(), NoDevices())
    )


def to_folder(folder: Path, **section: Any) -> SnailMailChannel:
    folder.mkdir(exist_ok=True)
    return channel(
        accounts={"house": {"provider": "folder", "path": str(folder), "profile": "free-v2"}},
        **section,
    )


def content(*attachments: Attachment, envelope: str | None = None, **more: Any) -> dict[str, Any]:
    told = [
        {"filename": a.name, "contentType": "application/pdf", "digest": a.digest.hex()}
        for a in attachments
    ]
    told = [{**one, "envelopeType": envelope} for one in told] if envelope else told
    return {"department": "Kultur", **({"attachments": told} if told else {}), **more}


def pdf(name: str = "beslut.pdf", data: bytes = PDF) -> Attachment:
    return Attachment.of(name, "application/pdf", data)


def asked(
    address: dict[str, Any] | None = None,
    party: str | None = None,
    *attachments: Attachment,
    **more: Any,
) -> Draft:
    """A letter before ``prepare``."""
    enclosed = attachments or (pdf(),)
    destination = orjson.dumps(address).decode() if address else ""
    return Draft("2281", content(*enclosed, **more), Recipient(destination, party), enclosed)


def prepared(*attachments: Attachment, address: dict[str, Any] | None = None, **more: Any) -> Draft:
    """A letter as a hand-over gets it."""
    from utskick.domain.postal_recipient import Addressee

    frozen = Addressee.read(ANNA if address is None else address).freeze()
    enclosed = attachments if attachments or more.get("text") else (pdf(),)
    return Draft("2281", content(*enclosed, **more), Recipient(""), enclosed, frozen=frozen)


def batch(
    *letters: Draft,
    sequence: int | None = None,
    sent_by: str | None = "joe01doe",
    ids: Sequence[UUID] = (),
) -> Draft:
    """The hand-over of letters; ``ids``: their deliveries."""
    keys = list(ids) or [new_id() for _ in letters]

    async def read() -> AsyncIterator[tuple[UUID, Draft]]:
        for key, one in zip(keys, letters, strict=True):
            yield key, one

    told = {
        "batchId": BATCH,
        "sequence": sequence,
        "sentBy": sent_by,
        "municipalityId": "2281",
        "department": "Kultur",
    }
    return Draft(
        "2281",
        {name: value for name, value in told.items() if value is not None},
        Recipient(""),
        letters=read,
    )


def files(root: Path) -> list[str]:
    """What a printing house sees: everything that is not hidden."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [str(path) for path in found if not any(part.startswith(".") for part in path.parts)]
