"""What a call names by its path: ids, and the person, of whom the audit trail has a hash."""

from __future__ import annotations

from typing import Final

from fastapi import Request

#: Of a path, what is the person's: the trail has it as the key by which it is found, never as it
#: is.
_PERSONAL: Final = ("partyId", "personId")
#: What a caller chose freely: it may hold a name.
_FREE: Final = ("fileName",)


def named_in(request: Request) -> tuple[dict[str, str], str | None]:
    """Ids and words by their names, and the person: as they were written."""
    named, party = dict[str, str](), request.query_params.get("partyId")
    for name, value in request.path_params.items():
        if name in _PERSONAL:
            party = party if party is not None else str(value)
        elif name != "municipalityId" and name not in _FREE:
            named[name] = str(value)
    return named, party
