"""Empty directory, for checking channels without a database (``utskick check``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from utskick.domain.directory_ports import Contact, Hidden, LegalId, Neighbours, Subscription


class EmptyDirectory:
    """``Directory`` and ``SubscriptionLookup`` without entries."""

    async def legal_ids(
        self,
        municipality_id: str,  # noqa: ARG002
        party_ids: Sequence[str],  # noqa: ARG002
    ) -> Mapping[str, LegalId]:
        return {}

    async def address(self, municipality_id: str, party_id: str) -> Hidden:  # noqa: ARG002
        return Hidden.NONE

    async def contacts(
        self,
        municipality_id: str,  # noqa: ARG002
        party_id: str,  # noqa: ARG002
        filters: Mapping[str, Sequence[str]],  # noqa: ARG002
    ) -> Sequence[Contact]:
        return ()

    async def of(self, municipality_id: str, party_id: str) -> Sequence[Subscription]:  # noqa: ARG002
        return ()

    async def get(self, municipality_id: str, subscription_id: str) -> Subscription | None:  # noqa: ARG002
        return None

    async def gone(self, municipality_id: str, subscription_id: str) -> None:
        """Do nothing: there are no subscriptions."""


EMPTY_DIRECTORY: Final = Neighbours(EmptyDirectory(), EmptyDirectory())
