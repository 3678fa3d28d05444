"""The ``[directory]`` table: which of three questions is answered from our own tables, and which by
a service of the municipality."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from utskick.outgoing.settings_types import Address, HttpPeer, NonEmpty, Secret, Section

Where = Literal["local", "remote"]


class Neighbour(HttpPeer):
    """A service of the municipality, with a login by OAuth 2 client credentials."""

    token_url: Address
    client_id: NonEmpty
    client_secret: Secret


class Remote(Section):
    """The three services. ``url`` is what stands before the municipality id in their paths."""

    party: Neighbour | None = None
    citizen: Neighbour | None = None
    contact_settings: Neighbour | None = None


class DirectorySection(Section):
    """``parties``: numbers behind party ids; ``addresses``: of persons, organisations' are always
    ours; ``contacts``: contact settings."""

    parties: Where = "local"
    addresses: Where = "local"
    contacts: Where = "local"
    remote: Remote = Remote()

    @model_validator(mode="after")
    def _reachable(self) -> DirectorySection:
        wanted = {
            "party": self.parties,
            "citizen": self.addresses,
            "contact_settings": self.contacts,
        }
        missing = [
            name
            for name, where in wanted.items()
            if where == "remote" and getattr(self.remote, name) is None
        ]
        if missing:
            raise ValueError(
                "what is remote needs an address: add "
                + ", ".join(f"[directory.remote.{name}]" for name in missing)
            )
        return self
