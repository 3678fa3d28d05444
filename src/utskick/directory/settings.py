"""Settings section ``[directory]``: local tables or a municipal service for each query."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from utskick.outgoing.settings_types import Address, HttpPeer, NonEmpty, Secret, Section

Where = Literal["local", "remote"]


class ServiceSettings(HttpPeer):
    """A municipal service, with OAuth 2.0 client credentials."""

    token_url: Address
    client_id: NonEmpty
    client_secret: Secret


class Remote(Section):
    """The three services. ``url``: the part of their addresses before the municipality id."""

    party: ServiceSettings | None = None
    citizen: ServiceSettings | None = None
    contact_settings: ServiceSettings | None = None


class DirectorySection(Section):
    """Section ``[directory]``.

    ``parties``: source of legal ids. ``addresses``: source of persons' addresses; those of
    organisations are always local. ``contacts``: source of contact settings.
    """

    parties: Where = "local"
    addresses: Where = "local"
    contacts: Where = "local"
    remote: Remote = Remote()

    @model_validator(mode="after")
    def _has_services(self) -> DirectorySection:
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
                "what is remote requires an address: add "
                + ", ".join(f"[directory.remote.{name}]" for name in missing)
            )
        return self
