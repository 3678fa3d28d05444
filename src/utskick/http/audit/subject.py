"""How an operation is audited: the action, the parameters that are recorded, and the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fastapi import Request

from utskick.domain.audit import Action, AuditEntry
from utskick.domain.ids import parse_id
from utskick.store.database import Database

#: Actions that read; their entry is written before the response is sent. The entry of every other
#: action is written in the transaction of the change.
READS: Final = frozenset(
    {
        Action.READ_HISTORY,
        Action.EXTRACT,
        Action.READ_FEED,
        Action.READ_CONFIGURATION,
        Action.READ_AUDIT,
    }
)
#: Path parameters that name a person. They are recorded as a keyed hash only.
_PERSONAL: Final = ("partyId", "personId")
#: Path parameters that callers choose freely: they may hold a name and are not recorded.
_FREE: Final = ("fileName",)


@dataclass(frozen=True, slots=True)
class Audit:
    """How an operation is audited.

    ``subject``: parameters of the path or the query that are recorded as they are; ``party``: the
    one that names the person.

    A parameter of the path wins over one of the query with the same name.
    """

    action: Action
    subject: tuple[str, ...] = ()
    party: str | None = None

    @property
    def changes(self) -> bool:
        """Whether the endpoint writes the entry itself, with its change."""
        return self.action not in READS

    def subject_of(self, request: Request) -> dict[str, Any]:
        """Return the recorded parameters by name, as written."""
        found = {name: _parameter(request, name) for name in self.subject}
        return {name: value for name, value in found.items() if value is not None}

    def party_of(self, request: Request) -> str | None:
        """Return the id of the person; party ids in their canonical form."""
        value = _parameter(request, self.party) if self.party is not None else None
        return _canonical(self.party, value)


async def naming(entry: AuditEntry, database: Database, party_id: UUID) -> AuditEntry:
    """Return the entry with the person whom the body names, as a keyed hash."""
    index = await database.vault.index(entry.municipality_id, str(party_id))
    return entry.about(party=index.hex())


def named_in(request: Request, audit: Audit | None) -> tuple[dict[str, str], str | None]:
    """Return the ids in the path by name, and the person, of a request that was denied.

    Values are as written and not validated.
    """
    path: Mapping[str, str] = request.path_params
    named = {
        name: str(value)
        for name, value in path.items()
        if name not in (*_PERSONAL, *_FREE, "municipalityId")
    }
    if audit is not None:
        return named, audit.party_of(request)
    person = next((name for name in _PERSONAL if name in path), None)
    return named, _canonical(person, path[person]) if person is not None else None


def _parameter(request: Request, name: str) -> str | None:
    value = request.path_params.get(name)
    return str(value) if value is not None else request.query_params.get(name)


def _canonical(name: str | None, value: str | None) -> str | None:
    found = parse_id(value) if value is not None and name == "partyId" else None
    return str(found) if found is not None else value
